//! The pages that a person sees: plain, readable by a screen reader, light or dark as the system is.

use bytes::Bytes;
use http::header::LOCATION;
use http::{Response, StatusCode};
use url::form_urlencoded;

use super::answer;

/// `refused` says what was wrong with the last try.
pub(super) fn login(ticket: &str, application: &str, user: &str, refused: Option<&str>) -> Response<Bytes> {
    let Refused { status, title, alert, fields } = Refused::because_of(refused, "Log in");
    let (focus_user, focus_password) = if user.is_empty() { (" autofocus", "") } else { ("", " autofocus") };
    let body = format!(
        r#"<h1>Log in</h1>
<p>to continue to <strong>{application}</strong></p>
{alert}
<form method="post" action="login?state={ticket}">
<label for="username">Email address</label>
<input id="username" name="username" type="email" value="{user}" autocomplete="username" required{fields}{focus_user}>
<label for="password">Password</label>
<input id="password" name="password" type="password" value="" autocomplete="current-password" required{fields}{focus_password}>
<button type="submit" name="action" value="accept">Continue</button>
<button type="submit" name="action" value="cancel" class="quiet" formnovalidate>Cancel</button>
</form>
<p class="note">A provider for tests: any address, any password but “wrong”.</p>"#,
        application = escaped(application),
        ticket = escaped(ticket),
        user = escaped(user),
    );
    answer::html(status, page(&title, &body))
}

pub(super) fn consent(ticket: &str, application: &str, user: &str, audience: Option<&str>, scope: &str) -> Response<Bytes> {
    let wishes: String = scope.split_whitespace().map(|word| format!("<li><code>{}</code></li>\n", escaped(word))).collect();
    let wishes = if wishes.is_empty() { "<li>to know that it is you</li>\n".to_owned() } else { wishes };
    let audience = audience.map(|audience| format!("<p>at <code>{}</code></p>", escaped(audience))).unwrap_or_default();
    let body = format!(
        r#"<h1>Authorize {application}</h1>
<p>You are <strong>{user}</strong>. The application asks for:</p>
<ul>
{wishes}</ul>
{audience}
<form method="post" action="consent?state={ticket}">
<button type="submit" name="action" value="accept" autofocus>Accept</button>
<button type="submit" name="action" value="cancel" class="quiet">Decline</button>
</form>"#,
        application = escaped(application),
        user = escaped(user),
        ticket = escaped(ticket),
    );
    answer::html(StatusCode::OK, page("Authorize the application", &body))
}

pub(super) fn activation(user_code: &str, refused: Option<&str>) -> Response<Bytes> {
    let Refused { status, title, alert, fields } = Refused::because_of(refused, "Connect a device");
    let body = format!(
        r#"<h1>Connect a device</h1>
<p>Is this the code that your device shows?</p>
{alert}
<form method="post" action="activate">
<label for="user_code">Code</label>
<input id="user_code" name="user_code" type="text" value="{user_code}" autocomplete="off" required{fields} autofocus>
<button type="submit" name="action" value="accept">Confirm</button>
</form>"#,
        user_code = escaped(user_code),
    );
    answer::html(status, page(&title, &body))
}

/// The page after a wrong try, and before one.
struct Refused {
    status: StatusCode,
    title: String,
    /// Said at once by screen readers.
    alert: String,
    /// Attributes of the fields that it is about.
    fields: &'static str,
}

impl Refused {
    fn because_of(reason: Option<&str>, title: &str) -> Self {
        let Some(reason) = reason else {
            return Self { status: StatusCode::OK, title: title.to_owned(), alert: String::new(), fields: "" };
        };
        Self {
            status: StatusCode::BAD_REQUEST,
            title: format!("Error: {title}"),
            alert: format!(r#"<p class="error" id="refused" role="alert">{}</p>"#, escaped(reason)),
            fields: r#" aria-invalid="true" aria-describedby="refused""#,
        }
    }
}

/// A redirect as a form, which the person sends on (OAuth 2.0 Form Post Response Mode, section 2). Anything else stays as it is.
pub(super) fn posting(action: &str, response: Response<Bytes>) -> Response<Bytes> {
    let location = response.headers().get(LOCATION).and_then(|location| location.to_str().ok());
    let added = location.and_then(|location| location.strip_prefix(action)?.get(1..));
    let Some(added) = added else { return response };
    let fields: String = form_urlencoded::parse(added.as_bytes())
        .map(|(name, value)| format!("<input type=\"hidden\" name=\"{}\" value=\"{}\">\n", escaped(&name), escaped(&value)))
        .collect();
    let body = format!(
        r#"<h1>Back to the application</h1>
<form method="post" action="{}">
{fields}<button type="submit" autofocus>Continue</button>
</form>"#,
        escaped(action)
    );
    answer::html(StatusCode::OK, page("Back to the application", &body))
}

/// Something to read, and nothing to do.
pub(super) fn notice(status: StatusCode, title: &str, text: &str) -> Response<Bytes> {
    let body = format!("<h1>{}</h1>\n<p>{}</p>", escaped(title), escaped(text));
    answer::html(status, page(title, &body))
}

fn page(title: &str, body: &str) -> String {
    format!(
        r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{}</title>
<style>{STYLE}</style>
</head>
<body>
<header>Test provider</header>
<main>
{body}
</main>
</body>
</html>
"#,
        escaped(title)
    )
}

pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

pub(super) fn unescaped(text: &str) -> String {
    // The ampersand last, or `&amp;lt;` would become `<`.
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&#39;", "'").replace("&amp;", "&")
}

const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#1d1f23;--quiet:#4b515c;--paper:#f3f4f6;--card:#fff;--edge:#dfe2e7;--line:#8a8f98;--accent:#1f5fbf;--on-accent:#fff;--error:#b3261e;--tint:#fdeceb}\
@media(prefers-color-scheme:dark){:root{--ink:#e8eaed;--quiet:#b4bbc7;--paper:#101216;--card:#1a1d23;--edge:#2e333c;--line:#7d838c;--accent:#8ab4f8;--on-accent:#10213d;--error:#ff9a92;--tint:#3a1d1c}}\
*{box-sizing:border-box}\
body{margin:0;min-height:100vh;display:flex;flex-direction:column;align-items:center;justify-content:center;padding:1.5rem 1rem;background:var(--paper);color:var(--ink);font:1rem/1.5 system-ui,sans-serif;overflow-wrap:anywhere}\
header{margin-bottom:1rem;color:var(--quiet);font-weight:600}\
main{width:100%;max-width:24rem;padding:2rem;background:var(--card);border:1px solid var(--edge);border-radius:1rem;box-shadow:0 1px 2px #0000000d,0 8px 24px #0000000d}\
h1{margin:0 0 .5rem;font-size:1.5rem;line-height:1.25;letter-spacing:-.01em}\
p{margin:0 0 1rem}\
ul{margin:0 0 1rem;padding-left:1.25rem}\
main>:last-child{margin-bottom:0}\
label{display:block;margin-top:1rem;font-weight:600}\
input{width:100%;margin-top:.25rem;padding:.625rem .75rem;border:1px solid var(--line);border-radius:.5rem;background:transparent;color:inherit;font:inherit}\
button{width:100%;margin-top:1.25rem;padding:.625rem;border:1px solid var(--accent);border-radius:.5rem;background:var(--accent);color:var(--on-accent);font:inherit;font-weight:600;cursor:pointer}\
button.quiet{margin-top:.75rem;background:transparent;color:var(--accent)}\
:focus-visible{outline:3px solid var(--accent);outline-offset:2px}\
[aria-invalid]{border-color:var(--error)}\
.error{padding:.625rem .75rem;border-radius:.5rem;background:var(--tint);color:var(--error);font-weight:600}\
.note{margin-top:1.5rem;color:var(--quiet);font-size:.875rem}";
