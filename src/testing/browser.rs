use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::header::{CONTENT_TYPE, COOKIE, LOCATION, ORIGIN, SET_COOKIE};
use http::{Method, StatusCode};
use tokio::sync::watch;
use url::{Url, form_urlencoded};

use super::pages::unescaped;
use crate::error::{Error, ErrorKind, Result};
use crate::web_auth::Browser;

/// The person at a [`TestProvider`](super::TestProvider)'s pages: goes where a link leads, logs in, agrees, and comes back.
///
/// It keeps cookies as a browser does: a person who logged in once is logged in the next time. A clone is the same browser. It is a
/// [`Browser`], for logins that open one, and [`visit`](Self::visit) is for those that come back to another redirect URI.
#[derive(Clone)]
pub struct TestBrowser {
    user: String,
    password: String,
    refusing: bool,
    returning: Returning,
    inner: Arc<Inner>,
}

struct Inner {
    client: reqwest::Client,
    cookies: Mutex<Vec<Cookie>>,
    pages: watch::Sender<Vec<Page>>,
    /// The text that is still to be pasted.
    clipboard: watch::Sender<Option<String>>,
}

/// The way in which the callback reaches the application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Returning {
    Alone,
    Pasting,
    Never,
}

struct Cookie {
    origin: String,
    name: String,
    value: String,
}

/// The page that a person sees at the end.
#[derive(Debug, Clone)]
pub struct Page {
    url: Url,
    status: StatusCode,
    text: String,
}

/// The end of a walk through the provider's pages.
enum End {
    Elsewhere(String),
    /// By a form.
    Posted(Step),
    Page(Page),
}

struct Step {
    method: Method,
    url: Url,
    form: Vec<(String, String)>,
}

impl TestBrowser {
    /// Jane, `jane@example.com`, who logs in and agrees.
    ///
    /// # Panics
    /// When no HTTP client can be made.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "a browser is made on purpose")]
    pub fn new() -> Self {
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build();
        let inner = Inner {
            client: client.expect("an HTTP client with nothing special can be made"),
            cookies: Mutex::default(),
            pages: watch::Sender::default(),
            clipboard: watch::Sender::default(),
        };
        Self {
            user: "jane@example.com".to_owned(),
            password: "a password".to_owned(),
            refusing: false,
            returning: Returning::Alone,
            inner: Arc::new(inner),
        }
    }

    /// Logs in as another user.
    #[must_use]
    pub fn user(mut self, email: impl Into<String>) -> Self {
        self.user = email.into();
        self
    }

    /// Types another password. With `wrong` the login ends on the page for a wrong password.
    #[must_use]
    pub fn password(mut self, password: impl Into<String>) -> Self {
        self.password = password.into();
        self
    }

    /// Presses “Cancel”: the provider answers `access_denied`.
    #[must_use]
    pub fn refusing(mut self) -> Self {
        self.refusing = true;
        self
    }

    /// Logs in and closes the window before the browser comes back to the application.
    #[must_use]
    pub fn without_returning(mut self) -> Self {
        self.returning = Returning::Never;
        self
    }

    /// Is at another machine, where the callback leads nowhere: the person pastes its URL (see [`Browser::pasted`]).
    #[must_use]
    pub fn pasting(mut self) -> Self {
        self.returning = Returning::Pasting;
        self
    }

    /// Goes through the provider's pages, and returns the URL that it then sends the browser to, exactly as it was written,
    /// without going there. Where a form would be posted there, it is the form's body.
    ///
    /// # Errors
    /// `Browser` when the way ends on a page of the provider's; `Network` and `TimedOut` when it does not answer.
    pub async fn visit(&self, url: &Url) -> Result<String> {
        match self.walk(url).await? {
            End::Elsewhere(url) => Ok(url),
            End::Posted(step) => Ok(step.body()),
            End::Page(page) => {
                Err(Error::new(ErrorKind::Browser, format!("the browser ended on a page of the provider: {}", page.title())))
            }
        }
    }

    /// Goes through the provider's pages to a page that leads no further: a device's code is confirmed, or a logout has ended.
    ///
    /// # Errors
    /// `Browser` when the provider sends the browser elsewhere; `Network` and `TimedOut` when it does not answer.
    pub async fn visit_page(&self, url: &Url) -> Result<Page> {
        match self.walk(url).await? {
            End::Page(page) => Ok(page),
            End::Elsewhere(_) | End::Posted(_) => Err(Error::new(ErrorKind::Browser, "the provider sent the browser elsewhere")),
        }
    }

    /// The last pages of what was opened, in the order in which they came.
    #[must_use]
    pub fn pages(&self) -> Vec<Page> {
        self.inner.pages.borrow().clone()
    }

    /// The same, once there are so many.
    pub async fn shown(&self, pages: usize) -> Vec<Page> {
        let mut shown = self.inner.pages.subscribe();
        match shown.wait_for(|shown| shown.len() >= pages).await {
            Ok(shown) => shown.clone(),
            // It cannot be: the sender lives as long as the browser.
            Err(_) => self.pages(),
        }
    }

    async fn whole_way(&self, url: &Url) -> Result<Option<Page>> {
        let (mut step, shown) = match self.walk(url).await? {
            End::Page(page) => return Ok(Some(page)),
            End::Elsewhere(url) => (Step::get(parsed(&url)?), url),
            End::Posted(step) => {
                let body = step.body();
                (step, body)
            }
        };
        match self.returning {
            Returning::Alone => {}
            Returning::Pasting => {
                self.inner.clipboard.send_replace(Some(shown));
                return Ok(None);
            }
            Returning::Never => return Ok(None),
        }
        for _ in 0..MAX_STEPS {
            let url = step.url.clone();
            let response = self.send(step).await?;
            match location(&response) {
                Some(location) => step = Step::get(joined(&url, &location)?),
                None => return page(url, response).await.map(Some),
            }
        }
        Err(going_in_circles())
    }

    async fn walk(&self, start: &Url) -> Result<End> {
        let mut step = Step::get(start.clone());
        for _ in 0..MAX_STEPS {
            let url = step.url.clone();
            let response = self.send(step).await?;
            if let Some(location) = location(&response) {
                let next = joined(&url, &location)?;
                if next.origin() != start.origin() {
                    return Ok(End::Elsewhere(location));
                }
                step = Step::get(next);
                continue;
            }
            let page = page(url, response).await?;
            match self.fill(&page) {
                Some(next) if page.status.is_success() => {
                    step = next?;
                    if step.url.origin() != start.origin() {
                        return Ok(End::Posted(step));
                    }
                }
                _ => return Ok(End::Page(page)),
            }
        }
        Err(going_in_circles())
    }

    /// Fills in the form on this page, and chooses the button.
    fn fill(&self, page: &Page) -> Option<Result<Step>> {
        let (_, form) = page.text.split_once("<form ")?;
        let (form, _) = form.split_once("</form>")?;
        let action = attribute(form, "action")?;
        let mut fields = Vec::new();
        for input in form.split("<input ").skip(1) {
            let name = attribute(input, "name")?;
            let value = match name.as_str() {
                "username" => self.user.clone(),
                "password" => self.password.clone(),
                _ => attribute(input, "value").unwrap_or_default(),
            };
            fields.push((name, value));
        }
        if !form.contains("name=\"action\"") {
            return Some(joined(&page.url, &action).map(|url| Step { method: Method::POST, url, form: fields }));
        }
        let button = if self.refusing && form.contains(r#"value="cancel""#) { "cancel" } else { "accept" };
        fields.push(("action".to_owned(), button.to_owned()));
        Some(joined(&page.url, &action).map(|url| Step { method: Method::POST, url, form: fields }))
    }

    async fn send(&self, step: Step) -> Result<reqwest::Response> {
        let origin = step.url.origin().ascii_serialization();
        let body = step.body();
        let mut request = reqwest::Request::new(step.method, step.url);
        let mut header = |name, value: String| {
            if let Ok(value) = value.parse() {
                request.headers_mut().insert(name, value);
            }
        };
        header(http::header::ACCEPT, "text/html".to_owned());
        header(http::HeaderName::from_static("sec-fetch-dest"), "document".to_owned());
        header(http::HeaderName::from_static("sec-fetch-mode"), "navigate".to_owned());
        let cookies: Vec<_> = self.cookies().iter().filter(|cookie| cookie.origin == origin).map(Cookie::pair).collect();
        if !cookies.is_empty() {
            header(COOKIE, cookies.join("; "));
        }
        if !body.is_empty() {
            header(CONTENT_TYPE, "application/x-www-form-urlencoded".to_owned());
            // The provider's pages tell nobody where the person comes from.
            header(ORIGIN, "null".to_owned());
            *request.body_mut() = Some(body.into());
        }
        let sent = self.inner.client.execute(request).await;
        let response = sent.map_err(|error| Error::network("the browser", error))?;
        for cookie in response.headers().get_all(SET_COOKIE) {
            self.keep_cookie(&origin, &String::from_utf8_lossy(cookie.as_bytes()));
        }
        Ok(response)
    }

    fn keep_cookie(&self, origin: &str, header: &str) {
        let (pair, attributes) = header.split_once(';').unwrap_or((header, ""));
        let Some((name, value)) = pair.split_once('=') else { return };
        let mut cookies = self.cookies();
        cookies.retain(|cookie| cookie.origin != origin || cookie.name != name);
        if !attributes.to_ascii_lowercase().contains("max-age=0") {
            cookies.push(Cookie { origin: origin.to_owned(), name: name.to_owned(), value: value.to_owned() });
        }
    }

    fn cookies(&self) -> MutexGuard<'_, Vec<Cookie>> {
        self.inner.cookies.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// [`open`](Browser::open) returns at once, as a browser does, and a task of the current runtime goes the whole way: through the
/// provider's pages, back to the application, and through its redirects to its last page, which [`pages`](TestBrowser::pages)
/// then shows. What goes wrong on that way is a page, or no page.
impl Browser for TestBrowser {
    async fn open(&self, url: &Url) -> Result<()> {
        let (browser, url) = (self.clone(), url.clone());
        tokio::spawn(async move {
            if let Ok(page) = browser.whole_way(&url).await {
                browser.inner.pages.send_modify(|pages| pages.extend(page));
            }
        });
        Ok(())
    }

    async fn pasted(&self) -> Result<String> {
        let mut clipboard = self.inner.clipboard.subscribe();
        loop {
            // It cannot fail: the sender lives as long as the browser.
            let _ = clipboard.wait_for(Option::is_some).await;
            let mut pasted = None;
            self.inner.clipboard.send_if_modified(|url| {
                pasted = url.take();
                false
            });
            if let Some(url) = pasted {
                return Ok(url);
            }
        }
    }
}

impl fmt::Debug for TestBrowser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestBrowser").field("user", &self.user).field("refusing", &self.refusing).finish_non_exhaustive()
    }
}

impl Page {
    /// The URL of the page.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// The status that it came with.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Its HTML.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The content of its `<title>`; nothing when there is none.
    #[must_use]
    pub fn title(&self) -> String {
        let title = self.text.split_once("<title>").and_then(|(_, rest)| rest.split_once("</title>"));
        title.map(|(title, _)| unescaped(title)).unwrap_or_default()
    }
}

impl Step {
    fn get(url: Url) -> Self {
        Self { method: Method::GET, url, form: Vec::new() }
    }

    fn body(&self) -> String {
        form_urlencoded::Serializer::new(String::new()).extend_pairs(&self.form).finish()
    }
}

impl Cookie {
    fn pair(&self) -> String {
        format!("{}={}", self.name, self.value)
    }
}

async fn page(url: Url, response: reqwest::Response) -> Result<Page> {
    let status = response.status();
    let body = response.bytes().await.map_err(|error| Error::network("the browser", error))?;
    Ok(Page { url, status, text: String::from_utf8_lossy(&body).into_owned() })
}

fn location(response: &reqwest::Response) -> Option<String> {
    let location = response.headers().get(LOCATION).filter(|_| response.status().is_redirection())?;
    Some(String::from_utf8_lossy(location.as_bytes()).into_owned())
}

/// An attribute of the first tag that has it.
fn attribute(html: &str, name: &str) -> Option<String> {
    let (_, rest) = html.split_once(&format!("{name}=\""))?;
    rest.split_once('"').map(|(value, _)| unescaped(value))
}

fn parsed(url: &str) -> Result<Url> {
    url.parse().map_err(|error| Error::new(ErrorKind::Browser, "the browser was sent to what is no URL").with_source(error))
}

fn joined(base: &Url, location: &str) -> Result<Url> {
    base.join(location).map_err(|error| Error::new(ErrorKind::Browser, "the browser was sent to what is no URL").with_source(error))
}

fn going_in_circles() -> Error {
    Error::new(ErrorKind::Browser, "the browser was sent on and on")
}

const MAX_STEPS: usize = 20;
