//! Somebody with a browser, who uses the application and logs in at the provider inside this process.

use std::collections::BTreeMap;
use std::error::Error;

use hallpass::testing::TestBrowser;
use reqwest::header::{CONTENT_TYPE, COOKIE, HeaderValue, LOCATION, SET_COOKIE};
use reqwest::{Method, Request, StatusCode};
use url::Url;

pub(crate) struct Visitor {
    name: String,
    home: Url,
    /// What the provider shows is looked at with this.
    browser: TestBrowser,
    client: reqwest::Client,
    cookies: BTreeMap<String, String>,
}

/// What the application shows, and whom.
pub(crate) struct Seen {
    visitor: String,
    text: String,
}

impl Visitor {
    pub(crate) fn new(home: &Url, email: &str) -> Result<Self, Box<dyn Error + Send + Sync>> {
        Ok(Self {
            name: email.to_owned(),
            home: home.clone(),
            browser: TestBrowser::new().user(email),
            client: reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build()?,
            cookies: BTreeMap::new(),
        })
    }

    pub(crate) async fn opens(&mut self, path: &str) -> Result<Seen, Box<dyn Error + Send + Sync>> {
        self.goes(Method::GET, path, String::new()).await
    }

    pub(crate) async fn posts(&mut self, path: &str, form: &str) -> Result<Seen, Box<dyn Error + Send + Sync>> {
        self.goes(Method::POST, path, form.to_owned()).await
    }

    pub(crate) async fn logs_in(&mut self) -> Result<Seen, Box<dyn Error + Send + Sync>> {
        self.opens("/login").await
    }

    /// Presses the button on the page.
    pub(crate) async fn logs_out(&mut self) -> Result<Seen, Box<dyn Error + Send + Sync>> {
        let page = self.opens("/").await?.text;
        let (_, after) = page.split_once(r#"name="csrf" value=""#).ok_or("the page has a form to log out")?;
        let csrf = after.split('"').next().unwrap_or_default();
        self.posts("/logout", &format!("csrf={csrf}")).await
    }

    /// Logs in, but for the last step: where the provider leads this browser.
    pub(crate) async fn arrives_at_callback(&mut self) -> Result<String, Box<dyn Error + Send + Sync>> {
        let (_, to, _) = self.asks(Method::GET, &self.home.join("/login")?, String::new()).await?;
        Ok(self.browser.visit(&to.ok_or("a login leads to the provider")?).await?)
    }

    /// Follows where the application leads, through the provider's pages and back.
    async fn goes(&mut self, method: Method, path: &str, form: String) -> Result<Seen, Box<dyn Error + Send + Sync>> {
        let (_, mut to, mut text) = self.asks(method, &self.home.join(path)?, form).await?;
        while let Some(url) = to {
            let url = if url.origin() == self.home.origin() { url } else { self.browser.visit(&url).await?.parse()? };
            (_, to, text) = self.asks(Method::GET, &url, String::new()).await?;
        }
        Ok(Seen { visitor: self.name.clone(), text })
    }

    async fn asks(
        &mut self,
        method: Method,
        url: &Url,
        form: String,
    ) -> Result<(StatusCode, Option<Url>, String), Box<dyn Error + Send + Sync>> {
        let mut request = Request::new(method, url.clone());
        let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        request.headers_mut().insert(COOKIE, cookies.join("; ").parse()?);
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        *request.body_mut() = Some(form.into());
        let response = self.client.execute(request).await?;
        for cookie in response.headers().get_all(SET_COOKIE) {
            let (name, value) =
                cookie.to_str()?.split(';').next().and_then(|pair| pair.split_once('=')).ok_or("a cookie has a name")?;
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
        let to = match response.headers().get(LOCATION) {
            Some(location) => Some(url.join(location.to_str()?)?),
            None => None,
        };
        Ok((response.status(), to, response.text().await?))
    }
}

impl Seen {
    pub(crate) fn shows(&self, expected: &str, story: &str) -> Result<(), Box<dyn Error + Send + Sync>> {
        if !self.text.contains(expected) {
            return Err(format!("{story}: {} sees {:?}", self.visitor, self.text).into());
        }
        println!("  {story}");
        Ok(())
    }
}
