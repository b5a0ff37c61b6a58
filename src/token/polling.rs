use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::value::RawValue;
use time::OffsetDateTime;
use tokio::time::{Instant, sleep_until};

use crate::application::Application;
use crate::clock::Timestamp;
use crate::credentials::Credentials;
use crate::error::{Error, ErrorKind, Result, ServerError, is_transient};
use crate::form::Form;
use crate::provider::{Demands, Flow, Metadata};
use crate::requested_api::RequestedApi;
use crate::secret::Secret;
use crate::spans::Span;
use crate::token::{Asked, accept, request_by};
use crate::transport::deadline_of_a_poll;

/// Asks the provider, at its own pace, whether a person has confirmed a login on another device: RFC 8628, section 3.5, which
/// CIBA (section 7.3) took over.
pub(crate) struct Polling {
    application: Application,
    grant: Arc<AwaitedGrant>,
    expires_at: Timestamp,
    interval: Duration,
    /// The time from which the provider may be asked again.
    turn: Instant,
    /// A request without an answer yet. It outlives the future that sent it. The mutex is never locked; it makes the login `Sync`.
    asking: Mutex<Option<Asking>>,
    /// The number of failures in a row, and the last one.
    failures: u32,
    trouble: Option<Error>,
    /// The answer to every further poll.
    over: Option<Error>,
}

/// The grant that a person is asked for, and its request.
pub(crate) struct AwaitedGrant {
    pub(crate) metadata: Arc<Metadata>,
    pub(crate) scope: Arc<str>,
    pub(crate) api: Option<RequestedApi>,
    pub(crate) demands: Demands,
    pub(crate) grant_type: &'static str,
    /// The form's name for the code, and the code.
    pub(crate) code: (&'static str, Secret),
    /// The person who has to confirm it, if known.
    pub(crate) subject: Option<Box<str>>,
    /// The messages for an expired code, and for credentials that were given out before.
    pub(crate) expired: &'static str,
    pub(crate) given_out: &'static str,
}

type Asking = Pin<Box<dyn Future<Output = Polled> + Send>>;

/// The outcome of a poll.
enum Polled {
    /// The code is spent: credentials, or the reason why they are none.
    Redeemed(Result<Credentials>),
    /// No tokens came.
    Refused(Error),
}

impl Polling {
    pub(crate) fn new(application: &Application, grant: AwaitedGrant, life: Duration, interval: Duration) -> Self {
        Self {
            application: application.clone(),
            grant: Arc::new(grant),
            expires_at: application.time().now().plus(life),
            interval,
            turn: Instant::now() + interval,
            asking: Mutex::new(None),
            failures: 0,
            trouble: None,
            over: None,
        }
    }

    pub(crate) fn application(&self) -> &Application {
        &self.application
    }

    pub(crate) fn code(&self) -> &Secret {
        &self.grant.code.1
    }

    pub(crate) fn expires_at(&self) -> OffsetDateTime {
        self.expires_at.to_offset_date_time()
    }

    pub(crate) fn expires_in(&self) -> Duration {
        self.expires_at.since(self.application.time().now())
    }

    pub(crate) fn interval(&self) -> Duration {
        self.interval
    }

    /// Until there is an answer. Dropping the future loses nothing.
    pub(crate) async fn wait(&mut self) -> Result<Credentials> {
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

    /// Waits for its turn, and asks once.
    pub(crate) async fn poll(&mut self) -> Result<Option<Credentials>> {
        if let Some(end) = &self.over {
            return Err(end.clone());
        }
        let step = self.step().await;
        self.over = match &step {
            Ok(None) => None,
            Ok(Some(_)) => Some(Error::configuration(self.grant.given_out)),
            Err(error) => Some(error.clone()),
        };
        step
    }

    async fn step(&mut self) -> Result<Option<Credentials>> {
        let polled = match self.asking() {
            Some(asking) => asking.await,
            None => {
                self.wait_for_turn().await?;
                let asking = Box::pin(ask(self.application.clone(), Arc::clone(&self.grant)));
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

    /// The wall clock decides about the expiry: a machine may sleep.
    async fn wait_for_turn(&self) -> Result<()> {
        let end = Instant::now() + self.expires_in();
        sleep_until(self.turn.min(end)).await;
        if end <= self.turn || self.expires_in().is_zero() {
            let expired = Error::new(ErrorKind::TimedOut, self.grant.expired);
            return Err(match &self.trouble {
                Some(trouble) => expired.with_source(trouble.clone()),
                None => expired,
            });
        }
        Ok(())
    }

    /// The pause after this answer, if polling continues (RFC 8628, section 3.5).
    fn pause_after(&mut self, error: Error) -> Result<Duration> {
        let is_trouble = error.server_error().and_then(ServerError::status).is_some_and(is_transient);
        self.failures = match error.server_error().map_or("", ServerError::code) {
            "authorization_pending" => 0,
            // "the interval MUST be increased by 5 seconds for this and all subsequent requests"
            "slow_down" => {
                self.interval = self.interval.saturating_add(SLOWER);
                0
            }
            "expired_token" if !is_trouble => return Err(Error::new(ErrorKind::TimedOut, self.grant.expired).with_source(error)),
            "access_denied" if !is_trouble => return Err(error.server_error().cloned().map_or(error, Error::cancelled)),
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

/// One poll (RFC 8628, section 3.4). Once there are tokens, the code is spent: what fails afterwards is no reason to poll again.
async fn ask(application: Application, grant: Arc<AwaitedGrant>) -> Polled {
    let AwaitedGrant { metadata, scope, api, demands, grant_type, code, subject, .. } = &*grant;
    let mut form = Form::new(grant_type).with(code.0, code.1.expose());
    if let Some(api) = api {
        api.repeat_in(&mut form);
    }
    let response = match request_by(deadline_of_a_poll(), &application, metadata, form, &[]).await {
        Ok(response) => response,
        Err(error) => return Polled::Refused(error),
    };
    let flow = Flow::Login { nonce: None, code: None, demands };
    let asked = Asked { scope, api: api.as_ref(), flow, hidden: &[] };
    let credentials = accept(&application, metadata, response, asked).await;
    Polled::Redeemed(credentials.and_then(|credentials| is_about(credentials, subject.as_deref())))
}

fn is_about(credentials: Credentials, subject: Option<&str>) -> Result<Credentials> {
    match subject {
        Some(subject) if credentials.user().is_none_or(|user| user.subject() != subject) => Err(Error::new(
            ErrorKind::IdToken,
            "the ID token is refused: it is about another person than the one who was asked; ask anew",
        )),
        _ => Ok(credentials),
    }
}

/// "If no value is provided, clients MUST use 5 as the default." Nonsense counts as none: 0, text that is no number, more than
/// the code's life, or than a day.
pub(crate) fn interval(value: Option<&RawValue>, life: Duration) -> Duration {
    let seconds = value.and_then(|value| value.get().trim_matches('"').parse::<f64>().ok());
    let longest = life.min(LONGEST_INTERVAL).as_secs_f64();
    seconds.filter(|seconds| (1.0..=longest).contains(seconds)).map_or(DEFAULT_INTERVAL, Duration::from_secs_f64)
}

const LONGEST_INTERVAL: Duration = Duration::from_secs(24 * 60 * 60);
const DEFAULT_INTERVAL: Duration = Duration::from_secs(5);
const SLOWER: Duration = Duration::from_secs(5);
/// Between tries while the provider cannot be reached, unless it asked for more.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
