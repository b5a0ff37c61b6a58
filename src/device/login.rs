use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use time::OffsetDateTime;
use tokio::time::{Instant, sleep_until};
use url::Url;

use crate::application::Application;
use crate::clock::Timestamp;
use crate::credentials::Credentials;
use crate::device::answer::Answer;
use crate::error::{Error, ErrorKind, Result, ServerError};
use crate::form::Form;
use crate::provider::{Demands, Flow, Metadata};
use crate::secret::Secret;
use crate::spans::Span;
use crate::token::{self, Asked};

/// A login that waits for a person to confirm its code in a browser on another device.
///
/// Show [`user_code`](Self::user_code) and [`verification_uri`](Self::verification_uri), then [`wait`](Self::wait). Dropping
/// it calls the login off; the provider forgets it when the code expires.
pub struct DeviceLogin {
    application: Application,
    grant: Arc<Grant>,
    device_code: Secret,
    user_code: String,
    verification_uri: Url,
    verification_uri_complete: Option<Url>,
    expires_at: Timestamp,
    interval: Duration,
    /// When the provider may be asked (again).
    turn: Instant,
    /// A request under way: it outlives the future that sent it. The mutex is never locked; it makes the login `Sync`.
    asking: Mutex<Option<Asking>>,
    /// How often in a row the provider could not be asked, and why the last time.
    failures: u32,
    trouble: Option<Error>,
    /// What every further question is answered with.
    over: Option<Error>,
}

/// What the person is asked to grant.
pub(super) struct Grant {
    pub(super) metadata: Arc<Metadata>,
    pub(super) scope: Arc<str>,
    pub(super) audience: Option<Arc<str>>,
    pub(super) demands: Demands,
}

type Asking = Pin<Box<dyn Future<Output = Polled> + Send>>;

/// How a poll ended.
enum Polled {
    /// The device code is spent: credentials, or the reason why they are none.
    Redeemed(Result<Credentials>),
    /// No tokens came.
    Refused(Error),
}

impl DeviceLogin {
    pub(super) fn new(application: &Application, grant: Grant, answer: Answer) -> Self {
        Self {
            application: application.clone(),
            grant: Arc::new(grant),
            device_code: answer.device_code,
            user_code: answer.user_code,
            verification_uri: answer.verification_uri,
            verification_uri_complete: answer.verification_uri_complete,
            expires_at: application.time().now().plus(answer.life),
            interval: answer.interval,
            turn: Instant::now() + answer.interval,
            asking: Mutex::new(None),
            failures: 0,
            trouble: None,
            over: None,
        }
    }

    /// The code that the person types, without control characters.
    #[must_use]
    pub fn user_code(&self) -> &str {
        &self.user_code
    }

    /// Where the person types the code: an http or https URL.
    #[must_use]
    pub fn verification_uri(&self) -> &Url {
        &self.verification_uri
    }

    /// The same page with the code filled in, for a link or a QR code, where the provider has one. Show the code beside it all
    /// the same: the person compares the two.
    #[must_use]
    pub fn verification_uri_complete(&self) -> Option<&Url> {
        self.verification_uri_complete.as_ref()
    }

    /// Where to confirm the login, as a QR code to be printed in a terminal that writes light on dark: lines of block characters,
    /// with a margin.
    #[cfg(feature = "qr")]
    #[must_use]
    #[expect(clippy::missing_panics_doc, reason = "the URL was checked to be short enough when it came")]
    pub fn qr_code(&self) -> String {
        use qrcode::QrCode;
        use qrcode::render::unicode::Dense1x2;
        let url = self.verification_uri_complete().unwrap_or(&self.verification_uri);
        let code = QrCode::new(url.as_str()).expect("no longer than a QR code holds");
        // `Dark` is what the renderer calls a dot, which is light there.
        code.render::<Dense1x2>().dark_color(Dense1x2::Light).light_color(Dense1x2::Dark).build()
    }

    /// When the code expires.
    #[must_use]
    pub fn expires_at(&self) -> OffsetDateTime {
        self.expires_at.to_offset_date_time()
    }

    /// How long the code is still good, for a countdown; zero once it has expired.
    #[must_use]
    pub fn expires_in(&self) -> Duration {
        self.expires_at.since(self.application.time().now())
    }

    /// The pause between two polls. It grows when the provider asks for that.
    #[must_use]
    pub fn interval(&self) -> Duration {
        self.interval
    }

    /// Until the person has confirmed the code. The provider is polled at its own pace (RFC 8628, section 3.5); while it
    /// cannot be reached, more and more seldom.
    ///
    /// # Errors
    /// `Cancelled` (the person refused), `TimedOut` (nobody confirmed the code before it expired), `IdToken`,
    /// `InvalidResponse`, `Server`, `MfaRequired`, `Configuration` (also when the credentials were given out before),
    /// `Discovery`, `Network`. After an error there is no going on: start another login.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing: the next one goes on where it was, at the same pace.
    pub async fn wait(&mut self) -> Result<Credentials> {
        let span = Span::login(self.application.client_id());
        let polls = async {
            loop {
                if let Some(credentials) = self.poll().await? {
                    return Ok(credentials);
                }
            }
        };
        span.watch(polls).await
    }

    /// One step of [`wait`](Self::wait): waits until the provider may be asked again, and asks it once. `None` while there
    /// is nothing to tell: call it again.
    ///
    /// # Errors
    /// As [`wait`](Self::wait).
    ///
    /// # Cancel safety
    /// As [`wait`](Self::wait).
    pub async fn poll(&mut self) -> Result<Option<Credentials>> {
        if let Some(end) = &self.over {
            return Err(end.clone());
        }
        let step = self.step().await;
        self.over = match &step {
            Ok(None) => None,
            Ok(Some(_)) => Some(Error::configuration("this device login has given out its credentials; start another")),
            Err(error) => Some(error.clone()),
        };
        step
    }

    async fn step(&mut self) -> Result<Option<Credentials>> {
        let polled = match self.asking() {
            Some(asking) => asking.await,
            None => {
                self.wait_for_turn().await?;
                let asking = Box::pin(ask(self.application.clone(), Arc::clone(&self.grant), self.device_code.clone()));
                self.asking().insert(asking).await
            }
        };
        *self.asking() = None;
        match polled {
            Polled::Redeemed(verdict) => verdict.map(Some),
            Polled::Refused(error) => {
                self.turn = Instant::now() + self.pause_after(error)?;
                Ok(None)
            }
        }
    }

    fn asking(&mut self) -> &mut Option<Asking> {
        self.asking.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wall-clock time decides expiry: a machine may sleep meanwhile.
    async fn wait_for_turn(&self) -> Result<()> {
        let end = Instant::now() + self.expires_in();
        sleep_until(self.turn.min(end)).await;
        if end <= self.turn || self.expires_in().is_zero() {
            let expired = Error::new(ErrorKind::TimedOut, EXPIRED);
            return Err(match &self.trouble {
                Some(trouble) => expired.with_source(trouble.clone()),
                None => expired,
            });
        }
        Ok(())
    }

    /// How long the provider is left in peace after this answer, if it is one to go on after (RFC 8628, section 3.5).
    fn pause_after(&mut self, error: Error) -> Result<Duration> {
        self.failures = match error.server_error().map_or("", ServerError::code) {
            "authorization_pending" => 0,
            // "the interval MUST be increased by 5 seconds for this and all subsequent requests"
            "slow_down" => {
                self.interval = self.interval.saturating_add(SLOWER);
                0
            }
            "expired_token" => return Err(Error::new(ErrorKind::TimedOut, EXPIRED).with_source(error)),
            "access_denied" => return Err(error.with_kind(ErrorKind::Cancelled)),
            _ if error.is_transient() => self.failures + 1,
            _ => return Err(error),
        };
        // "On encountering a connection timeout, clients MUST unilaterally reduce their polling frequency […] such as doubling
        // the polling interval on each such connection timeout"
        let slowed = self.interval.saturating_mul(1 << self.failures.min(10));
        let pause = slowed.min(LONGEST_PAUSE).max(self.interval).max(error.retry_after().unwrap_or_default());
        self.trouble = (self.failures > 0).then_some(error);
        Ok(pause)
    }
}

/// One poll (RFC 8628, section 3.4). Once there are tokens, the device code is spent: what fails afterwards is no reason to
/// poll again.
async fn ask(application: Application, grant: Arc<Grant>, device_code: Secret) -> Polled {
    let Grant { metadata, scope, audience, demands } = &*grant;
    let form = Form::new(GRANT_TYPE).with("device_code", device_code.expose());
    let response = match token::request(&application, metadata, form, &[]).await {
        Ok(response) => response,
        Err(error) => return Polled::Refused(error),
    };
    let flow = Flow::Login { nonce: None, code: None, demands };
    let asked = Asked { scope, audience: audience.as_ref(), flow, hidden: &[] };
    Polled::Redeemed(token::accept(&application, metadata, response, asked).await)
}

/// Without the codes: whoever knows them can take the login, or confirm it in the person's place.
impl fmt::Debug for DeviceLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeviceLogin")
            .field("application", &self.application)
            .field("verification_uri", &self.verification_uri.as_str())
            .field("expires_at", &self.expires_at())
            .field("interval", &self.interval)
            .finish_non_exhaustive()
    }
}

const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:device_code";
const EXPIRED: &str = "nobody confirmed the code before it expired; start the device login anew";
const SLOWER: Duration = Duration::from_secs(5);
/// Between tries while the provider cannot be reached, unless it asked for more.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
