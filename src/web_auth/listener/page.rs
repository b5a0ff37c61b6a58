use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::crypto;

/// The page that the browser shows when the login is over.
///
/// It holds no script, loads nothing and shows nothing of the request, and its `Content-Security-Policy` keeps it so:
/// HTML of your own is shown under the same policy, so that images, scripts, `style` attributes and links to style
/// sheets in it have no effect. Its look is changed by [`style`](Self::style).
///
/// # Defaults
/// Plain English pages that speak of "the application", light or dark as the system is.
///
/// ```
/// use hallpass::web_auth::CallbackPage;
/// let page = CallbackPage::new()
///     .name("Acme Mail")
///     .done_html("Logged in", "<h1>Welcome back</h1><p>Acme Mail is ready. You can close this page.</p>");
/// # let _ = page;
/// ```
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct CallbackPage {
    name: Option<String>,
    language: Option<String>,
    style: Option<String>,
    done: Option<OwnHtml>,
    failed: Option<OwnHtml>,
    refused: Option<OwnHtml>,
    pending: Option<OwnHtml>,
    logged_out: Option<OwnHtml>,
}

#[derive(Debug, Clone)]
struct OwnHtml {
    title: String,
    body: String,
}

/// The outcome that a person at the browser is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PageOutcome {
    /// The login was verified.
    Done,
    /// The session at the provider has ended.
    LoggedOut,
    /// Something went wrong; the application knows what.
    Failed,
    /// The person said no.
    Refused,
}

/// Every page that the listener serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    Outcome(PageOutcome),
    /// The application takes its time.
    Pending,
    /// An answer to a request that is not the one waited for.
    Stray,
}

impl CallbackPage {
    /// The default pages.
    pub fn new() -> Self {
        Self::default()
    }

    /// The name by which the person knows your application.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// The language of your own HTML, as in `de` or `pt-BR`.
    pub fn language(mut self, tag: impl Into<String>) -> Self {
        self.language = Some(tag.into());
        self
    }

    /// CSS in the place of the default style.
    pub fn style(mut self, css: impl Into<String>) -> Self {
        self.style = Some(css.into());
        self
    }

    /// Shown after a login that was verified: the title, and HTML for the page's main part, with a heading.
    pub fn done_html(mut self, title: impl Into<String>, html: impl Into<String>) -> Self {
        self.done = Some(OwnHtml { title: title.into(), body: html.into() });
        self
    }

    /// Shown after a login that did not work: the title, and HTML for the page's main part, with a heading.
    pub fn failed_html(mut self, title: impl Into<String>, html: impl Into<String>) -> Self {
        self.failed = Some(OwnHtml { title: title.into(), body: html.into() });
        self
    }

    /// Shown when the person refused at the provider: the title, and HTML for the page's main part, with a heading.
    pub fn refused_html(mut self, title: impl Into<String>, html: impl Into<String>) -> Self {
        self.refused = Some(OwnHtml { title: title.into(), body: html.into() });
        self
    }

    /// Shown when your application still checks the login after ten seconds: the title, and HTML for the page's main part,
    /// with a heading.
    pub fn pending_html(mut self, title: impl Into<String>, html: impl Into<String>) -> Self {
        self.pending = Some(OwnHtml { title: title.into(), body: html.into() });
        self
    }

    /// Shown after a logout: the title, and HTML for the page's main part, with a heading.
    pub fn logged_out_html(mut self, title: impl Into<String>, html: impl Into<String>) -> Self {
        self.logged_out = Some(OwnHtml { title: title.into(), body: html.into() });
        self
    }

    /// The policy that all pages are served under: nothing but the one inline style, known by its hash.
    pub(super) fn content_security_policy(&self) -> String {
        let hash = STANDARD.encode(crypto::sha256(self.css().as_bytes()));
        format!("default-src 'none'; style-src 'sha256-{hash}'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
    }

    pub(super) fn html(&self, shown: Shown) -> String {
        let name = self.name.as_deref();
        let own = match shown {
            Shown::Outcome(PageOutcome::Done) => self.done.as_ref(),
            Shown::Outcome(PageOutcome::Failed) => self.failed.as_ref(),
            Shown::Outcome(PageOutcome::Refused) => self.refused.as_ref(),
            Shown::Outcome(PageOutcome::LoggedOut) => self.logged_out.as_ref(),
            Shown::Pending => self.pending.as_ref(),
            Shown::Stray => None,
        };
        let (language, title, main) = match own {
            Some(OwnHtml { title, body }) => (self.language.as_deref().unwrap_or("en"), escaped(title), body.clone()),
            None => {
                let (heading, main) = default_main(shown, &escaped(name.unwrap_or("the application")));
                ("en", heading.to_owned(), main)
            }
        };
        let mut html = format!(
            "<!doctype html>\n<html lang=\"{}\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"robots\" content=\"noindex\">\n<title>{title}",
            escaped(language)
        );
        if let Some(name) = name {
            let _ = write!(html, " – {}", escaped(name));
        }
        let _ = write!(html, "</title>\n<style>{}</style>\n</head>\n<body>\n", self.css());
        if let Some(name) = name {
            let _ = writeln!(html, "<header>{}</header>", escaped(name));
        }
        // A live region: screen readers say by themselves how it ended.
        let _ = write!(html, "<main>\n<div role=\"status\">\n{main}\n</div>\n</main>\n</body>\n</html>\n");
        html
    }

    /// The style between its tags, byte for byte as it is hashed. An end tag inside it could end it early; in CSS, a
    /// slash after a backslash is the same slash.
    fn css(&self) -> String {
        self.style.as_deref().unwrap_or(STYLE).replace("</", "<\\/").replace('\r', "")
    }
}

/// Heading and main part of a page of ours, for an application whose name is HTML already.
fn default_main(shown: Shown, application: &str) -> (&'static str, String) {
    let (mark, heading, text) = match shown {
        Shown::Outcome(PageOutcome::Done) => (DONE_MARK, "You are logged in", format!("Go back to {application}: it is ready.")),
        Shown::Outcome(PageOutcome::LoggedOut) => {
            (DONE_MARK, "You are logged out", format!("To log in again, start from {application}."))
        }
        Shown::Outcome(PageOutcome::Failed) => {
            (FAILED_MARK, "The login did not work", format!("Go back to {application}: it says what happened."))
        }
        Shown::Outcome(PageOutcome::Refused) => {
            (REFUSED_MARK, "The login was cancelled", format!("No access was given. To try again, start from {application}."))
        }
        Shown::Pending => (
            PENDING_MARK,
            "The login is being checked",
            format!("It takes longer than usual. Go back to {application}: it says how it ends."),
        ),
        Shown::Stray => (
            REFUSED_MARK,
            "There is nothing to do here",
            format!("This address takes only the answer to a login that {application} has started."),
        ),
    };
    let main = format!("{mark}\n<h1>{heading}</h1>\n<p>{text}</p>\n<p class=\"end\">You can close this page.</p>");
    (heading, main)
}

fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            other => html.push(other),
        }
    }
    html
}

const STYLE: &str = include_str!("page.css");

const DONE_MARK: &str = r#"<svg class="done" viewBox="0 0 48 48" aria-hidden="true"><circle cx="24" cy="24" r="24"/><path d="M14.5 24.5l6.5 6.5 13-14"/></svg>"#;
const FAILED_MARK: &str = r#"<svg class="failed" viewBox="0 0 48 48" aria-hidden="true"><circle cx="24" cy="24" r="24"/><path d="M24 13.5v13M24 33.5v.5"/></svg>"#;
const REFUSED_MARK: &str =
    r#"<svg class="refused" viewBox="0 0 48 48" aria-hidden="true"><circle cx="24" cy="24" r="24"/><path d="M15 24h18"/></svg>"#;
const PENDING_MARK: &str = r#"<svg class="pending" viewBox="0 0 48 48" aria-hidden="true"><circle cx="24" cy="24" r="24"/><path d="M24 13v11.5l7.5 4.5"/></svg>"#;
