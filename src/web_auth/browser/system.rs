use std::env;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use url::Url;
use webbrowser::{Browser as Opener, BrowserOptions};

use super::dynamic::DynBrowser;
use super::{Browser, only_web_pages};
use crate::error::{Error, ErrorKind, Result};
use crate::worker;

/// The system's browser.
///
/// On Linux and the BSDs it is the browser of `$BROWSER`, else the desktop's choice. The URL is one argument of the browser's
/// process, and no shell reads it. Without a display, or in a remote shell, no browser is started, unless `$BROWSER` is set.
///
/// The crate that starts it writes the command with the URL to the `log` crate at debug level, and other users of the
/// machine may see it among the processes. No token can be had with a login's URL, since the PKCE verifier stays here; but
/// another user of this machine who reads it in time can end the login, or finish it as themselves. A logout's URL holds
/// the ID token as its hint, where the provider is not Auth0.
///
/// ```
/// use hallpass::web_auth::{PrintUrl, SystemBrowser};
/// // Over SSH, the person opens the URL elsewhere and pastes the address they come back to.
/// let browser = SystemBrowser::new().or(PrintUrl::new().pasted_from_stdin());
/// # let _ = browser;
/// ```
#[derive(Clone, Default)]
#[must_use]
pub struct SystemBrowser {
    fallback: Option<Fallback>,
}

#[derive(Clone)]
struct Fallback {
    browser: Arc<dyn DynBrowser>,
    in_use: Arc<watch::Sender<bool>>,
}

impl SystemBrowser {
    /// The system's browser; an error if there is none.
    pub fn new() -> Self {
        Self::default()
    }

    /// A fallback that shows the URL where this machine has no browser.
    pub fn or(mut self, fallback: impl Browser) -> Self {
        self.fallback = Some(Fallback { browser: Arc::new(fallback), in_use: Arc::new(watch::Sender::new(false)) });
        self
    }
}

impl Browser for SystemBrowser {
    /// # Errors
    /// `Browser` when there is none, no display for one, or none in 10 seconds; `Configuration` for a URL that is no web page.
    async fn open(&self, url: &Url) -> Result<()> {
        only_web_pages(url)?;
        let failure = match out_of_sight(|name| env::var_os(name).is_some_and(|value| !value.is_empty())) {
            Some(why) => Error::new(ErrorKind::Browser, format!("no browser was opened, because {why}; {INSTEAD}")),
            None => match start(url.clone()).await {
                Ok(()) => return Ok(()),
                Err(failure) => failure,
            },
        };
        let Some(Fallback { browser, in_use }) = &self.fallback else { return Err(failure) };
        browser.open(url).await?;
        in_use.send_replace(true);
        Ok(())
    }

    async fn pasted(&self) -> Result<String> {
        let Some(Fallback { browser, in_use }) = &self.fallback else { return std::future::pending().await };
        // The sender is ours, so waiting ends in no other way.
        let _ = in_use.subscribe().wait_for(|in_use| *in_use).await;
        browser.pasted().await
    }
}

impl fmt::Debug for SystemBrowser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SystemBrowser").field("has_fallback", &self.fallback.is_some()).finish_non_exhaustive()
    }
}

const INSTEAD: &str = "show the URL with PrintUrl, or log in with the device flow";

/// Finds the browser, which may take other programs, then opens it.
async fn start(url: Url) -> Result<()> {
    let mut options = BrowserOptions::new();
    if cfg!(any(windows, target_os = "macos")) {
        return launch(LAUNCH, url, options).await;
    }
    launch(LAUNCH, url.clone(), options.with_dry_run(true).clone()).await?;
    // A text browser runs in this terminal until it is closed.
    launch(Duration::MAX, url, options.with_dry_run(false).clone()).await
}

/// On a thread that no runtime waits for.
async fn launch(limit: Duration, url: Url, options: BrowserOptions) -> Result<()> {
    let failed = |why: &str| Error::new(ErrorKind::Browser, format!("the system's browser {why}; {INSTEAD}"));
    let late = move || {
        let seconds = limit.as_secs();
        failed(&format!("was not found in {seconds} seconds, since what names it (xdg-settings on Linux) did not answer"))
    };
    let open = move || {
        let opened = webbrowser::open_browser_with_options(Opener::Default, url.as_str(), &options);
        opened.map_err(|error| failed("could not be opened").with_source(error))
    };
    worker::run_blocking(limit, late, move || failed("could not be opened"), open).await
}

/// The time to find a browser.
const LAUNCH: Duration = Duration::from_secs(10);

/// The reason why no person would see a browser that is started here, by the environment's variables that are `set`.
fn out_of_sight(set: impl Fn(&str) -> bool) -> Option<&'static str> {
    let remote = set("SSH_CONNECTION") || set("SSH_TTY");
    if cfg!(any(target_os = "android", target_os = "ios")) {
        return None;
    }
    if cfg!(any(windows, target_os = "macos")) {
        return remote.then_some("this is a remote shell");
    }
    // Somebody said how a browser is started from here; editors that work on a remote machine do that.
    if set("BROWSER") || set("DISPLAY") || set("WAYLAND_DISPLAY") || set("WSL_DISTRO_NAME") {
        return None;
    }
    Some(if remote { "this is a remote shell without a display" } else { "there is no display here" })
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::out_of_sight;

    /// E21
    #[test]
    fn a_browser_is_started_only_where_somebody_could_see_it() {
        for (set, seen) in [
            (&[][..], false),
            (&["SSH_CONNECTION"], false),
            (&["SSH_TTY"], false),
            (&["DISPLAY"], true),
            (&["WAYLAND_DISPLAY"], true),
            (&["SSH_CONNECTION", "DISPLAY"], true),
            (&["SSH_CONNECTION", "BROWSER"], true),
            (&["BROWSER"], true),
            (&["WSL_DISTRO_NAME"], true),
        ] {
            assert_eq!(out_of_sight(|name| set.contains(&name)).is_none(), seen, "{set:?}");
        }
    }
}
