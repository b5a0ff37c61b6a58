use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use fantoccini::error::CmdError;
use fantoccini::{Client, ClientBuilder, Locator};
use hallpass::Result;
use hallpass::web_auth::Browser;
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::json;
use url::Url;

use crate::process::Process;

/// A person at a real browser: Chromium without a screen, driven through chromedriver, with a new profile.
pub struct Person {
    browser: Client,
    _session: Session,
    _driver: Process,
}

/// Chromium ends with its session at chromedriver. Its handle comes before chromedriver's, and is dropped before it.
struct Session {
    port: u16,
    id: String,
}

impl Person {
    /// # Panics
    /// When chromedriver or Chromium does not start.
    pub async fn sits_down() -> Self {
        let (driver, port) =
            Process::start(".", &mut Command::new("./chromedriver.sh"), "ChromeDriver was started successfully on port ");
        let port = port.trim_end_matches('.').parse().expect("chromedriver names its port");
        let capabilities = json!({
            // A provider on https has a certificate of an authority that only the test knows.
            "acceptInsecureCerts": true,
            "goog:chromeOptions": { "args": CHROMIUM_ARGUMENTS },
        });
        let browser = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities.as_object().expect("an object").clone())
            .connect(&format!("http://127.0.0.1:{port}"))
            .await
            .expect("chromedriver starts Chromium");
        let id = browser.session_id().await.expect("chromedriver answers").expect("the session has begun");
        Self { browser, _session: Session { port, id }, _driver: driver }
    }

    /// The browser, for the library to open.
    pub fn browser(&self) -> PersonsBrowser {
        PersonsBrowser(self.browser.clone())
    }

    pub(crate) fn client(&self) -> &Client {
        &self.browser
    }

    /// Types a URL and waits for the page.
    pub async fn opens(&self, url: &Url) -> std::result::Result<(), CmdError> {
        self.browser.goto(url.as_str()).await
    }

    /// Fills in the login page. Any password is right.
    pub async fn logs_in_as(&self, name: &str) {
        self.types("input[name=login]", name).await;
        self.types("input[name=password]", "password").await;
        self.click("button[type=submit]").await;
    }

    /// Fills in the login page of a `TestProvider`.
    pub async fn logs_in_at_the_test_provider(&self, email: &str, password: &str) {
        self.types("input[name=username]", email).await;
        self.types("input[name=password]", password).await;
        self.click("button[value=accept]").await;
    }

    /// Agrees on the consent page.
    pub async fn consents(&self) {
        self.find("form input[name=prompt][value=consent]").await;
        self.click("button[type=submit]").await;
    }

    /// Follows the page's `[ Cancel ]`.
    pub async fn cancels(&self) {
        self.click("a[href$='/abort']").await;
    }

    /// Follows the consent page's `[ Cancel ]`.
    pub async fn refuses_consent(&self) {
        self.find("form input[name=prompt][value=consent]").await;
        self.cancels().await;
    }

    /// Confirms on the logout page.
    pub async fn confirms_the_logout(&self) {
        self.click("button[name=logout][value=yes]").await;
    }

    /// The text of the page, once it holds `expected`.
    ///
    /// # Panics
    /// When no such page comes; the message holds what was there instead.
    pub async fn sees(&self, expected: &str) -> String {
        let xpath = format!("//body[contains(., '{expected}')]");
        match self.browser.wait().at_most(PATIENCE).for_element(Locator::XPath(&xpath)).await {
            Ok(body) => body.text().await.expect("a body has a text"),
            Err(error) => panic!("no page with {expected:?} ({error}); at {}", self.page().await),
        }
    }

    /// The URL in the address bar.
    pub async fn url(&self) -> Url {
        self.browser.current_url().await.expect("the browser is there")
    }

    /// Puts this into a field, in place of what is there.
    pub async fn types(&self, selector: &str, text: &str) {
        let field = self.find(selector).await;
        field.clear().await.expect("the field is emptied");
        field.send_keys(text).await.expect("the text is typed");
    }

    /// Presses a button, or follows a link.
    pub async fn click(&self, selector: &str) {
        self.find(selector).await.click().await.expect("the element is clicked");
    }

    async fn find(&self, selector: &str) -> fantoccini::elements::Element {
        match self.browser.wait().at_most(PATIENCE).for_element(Locator::Css(selector)).await {
            Ok(element) => element,
            Err(error) => panic!("no {selector} ({error}); at {}", self.page().await),
        }
    }

    async fn page(&self) -> String {
        let url = self.browser.current_url().await.map(String::from).unwrap_or_default();
        let source = self.browser.source().await.unwrap_or_default();
        format!("{url}\n{source}")
    }
}

impl Drop for Session {
    /// Without the runtime, which is gone when a test has panicked; answered when Chromium has ended.
    fn drop(&mut self) {
        let request = format!("DELETE /session/{} HTTP/1.1\r\nhost: 127.0.0.1:{}\r\nconnection: close\r\n\r\n", self.id, self.port);
        let answer = TcpStream::connect(("127.0.0.1", self.port)).and_then(|mut connection| {
            connection.set_read_timeout(Some(PATIENCE))?;
            connection.write_all(request.as_bytes())?;
            connection.read(&mut [0; 512])
        });
        if let Err(error) = answer {
            eprintln!("Chromium could not be closed: {error}");
        }
    }
}

/// The browser of a [`Person`]: the person sees the pages that the library opens.
pub struct PersonsBrowser(Client);

impl Browser for PersonsBrowser {
    async fn open(&self, url: &Url) -> Result<()> {
        self.0.goto(url.as_str()).await.expect("Chromium opens the URL");
        Ok(())
    }
}

const PATIENCE: Duration = Duration::from_secs(15);

const CHROMIUM_ARGUMENTS: &[&str] = &[
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-breakpad",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    // Nothing outside this machine is looked up.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
];
