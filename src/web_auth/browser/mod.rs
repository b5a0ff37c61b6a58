mod print_url;
mod system;

use std::future::{Future, pending, ready};

use url::Url;

use crate::error::{Error, Result};

pub use self::print_url::PrintUrl;
pub use self::system::SystemBrowser;

/// Shows a login to the person: `SystemBrowser`, [`PrintUrl`], a closure, or what a program makes itself.
///
/// ```
/// use hallpass::Result;
/// use hallpass::web_auth::Browser;
/// use url::Url;
///
/// /// A window of the program's own toolkit.
/// struct Window;
///
/// impl Browser for Window {
///     async fn open(&self, url: &Url) -> Result<()> {
///         assert_eq!(url.scheme(), "https");
///         Ok(())
///     }
/// }
///
/// fn takes_any(_: impl Browser) {}
/// takes_any(Window);
/// takes_any(|url: &Url| -> Result<()> {
///     assert_eq!(url.scheme(), "https");
///     Ok(())
/// });
/// ```
pub trait Browser: Send + Sync + 'static {
    /// Shows `url`, an http(s) URL, to the person. Returns when it was handed over. A browser that runs in this terminal may return
    /// only when it is closed; the login waits for its callback at the same time.
    fn open(&self, url: &Url) -> impl Future<Output = Result<()>> + Send;

    /// A callback URL that arrived otherwise than over loopback: one that the person pasted, on a machine without a browser.
    /// Asked again when what came is not the answer to the login. By default none ever comes.
    ///
    /// # Cancel safety
    /// Dropped when the login ends in another way.
    fn pasted(&self) -> impl Future<Output = Result<String>> + Send {
        pending()
    }
}

impl<F: Fn(&Url) -> Result<()> + Send + Sync + 'static> Browser for F {
    fn open(&self, url: &Url) -> impl Future<Output = Result<()>> + Send {
        ready(self(url))
    }
}

/// Only web pages are opened: `file:`, `javascript:` or a scheme of some program would run what a provider's metadata say.
fn only_web_pages(url: &Url) -> Result<()> {
    if matches!(url.scheme(), "http" | "https") {
        Ok(())
    } else {
        Err(Error::configuration(
            "a login is a page of the web: only http and https URLs are opened; check the provider's metadata",
        ))
    }
}

/// The trait as an object, which also keeps anything but web pages from every implementation.
pub(crate) mod dynamic {
    use std::pin::Pin;

    use super::{Browser, Future, Result, Url, only_web_pages};

    #[cfg_attr(not(feature = "loopback"), expect(dead_code, reason = "only a whole login opens a browser"))]
    pub(crate) trait DynBrowser: Send + Sync {
        fn open<'a>(&'a self, url: &'a Url) -> Pin<Box<dyn Future<Output = Result<()>> + Send + 'a>>;
        fn pasted<'a>(&'a self) -> Pin<Box<dyn Future<Output = Result<String>> + Send + 'a>>;
    }

    impl<T: Browser> DynBrowser for T {
        fn open<'a>(&'a self, url: &'a Url) -> Pin<Box<dyn Future<Output = Result<()>> + Send + 'a>> {
            Box::pin(async move {
                only_web_pages(url)?;
                Browser::open(self, url).await
            })
        }

        fn pasted<'a>(&'a self) -> Pin<Box<dyn Future<Output = Result<String>> + Send + 'a>> {
            Box::pin(Browser::pasted(self))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::dynamic::DynBrowser;
    use super::*;
    use crate::error::ErrorKind;

    /// D4
    #[tokio::test]
    async fn no_browser_is_asked_to_open_what_is_no_web_page() {
        let unopened = |url: &Url| -> Result<()> { panic!("{url} was opened") };
        for url in ["file:///etc/passwd", "javascript:alert(1)", "com.acme.app:/x", "data:text/html,x"] {
            let url = Url::parse(url).unwrap();
            assert_eq!(DynBrowser::open(&unopened, &url).await.unwrap_err().kind(), ErrorKind::Configuration, "{url}");
            assert_eq!(Browser::open(&SystemBrowser::new(), &url).await.unwrap_err().kind(), ErrorKind::Configuration, "{url}");
        }
    }
}
