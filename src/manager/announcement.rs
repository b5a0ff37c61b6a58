use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::credentials::Credentials;
use crate::crypto;
use crate::error::{Error, ErrorKind, Result};
use crate::manager::content::Content;
use crate::manager::renewal::{LOCK_WAIT, Renewal};
use crate::secret::Secret;
use crate::store::{Announced, Intent, Lock, Outcome};

/// What may happen to a refresh token now.
pub(crate) enum Permission {
    Send,
    /// Somebody else may have sent it, and the access token of before serves meanwhile.
    Wait(Credentials),
    /// The lock had ended.
    ReadAgain,
}

impl Permission {
    /// What there is to hand out although nothing was sent.
    pub(crate) fn credentials(self) -> Option<Credentials> {
        match self {
            Self::Wait(credentials) => Some(credentials),
            Self::Send | Self::ReadAgain => None,
        }
    }
}

impl Renewal {
    /// Nobody sends a refresh token that somebody else may have sent: a provider that sees it twice ends the session. Who
    /// finds that waits for what came of it. If nothing does, the token is sent once more where the provider allows that.
    pub(crate) async fn announce(&self, content: &Content, refresh_token: &Secret, lock: &Lock) -> Result<Permission> {
        let mut intent = Intent::new(content.generation, crypto::sha256(refresh_token.expose().as_bytes()));
        let deadline = Instant::now() + LOCK_WAIT;
        loop {
            let asked = self.kept.now();
            let (since, wait, replayed) = match self.kept.store().announce(&self.kept.session.key, lock, &intent).await? {
                Announced::Alone if self.kept.now().since(asked) < HOLDS_FOR => return Ok(Permission::Send),
                // This process was stopped, or the machine slept: who waited for it may have gone on without it.
                Announced::Alone => continue,
                Announced::Late => {
                    // Also where an announcement stands from before.
                    self.kept.store().settle(lock, Outcome::NotTaken);
                    return Ok(Permission::ReadAgain);
                }
                Announced::Unresolved { since, wait, replayed } => (since, wait, replayed),
            };
            let nothing_to_come = wait.is_zero() || Instant::now() >= deadline;
            let may_be_sent_again = self.kept.settings().reuse_interval.is_some_and(|interval| since < interval) && !replayed;
            if nothing_to_come && may_be_sent_again && !intent.is_replay() {
                intent = intent.replay();
            } else if let Some(valid) = self.still_valid(content) {
                return Ok(Permission::Wait(valid));
            } else if nothing_to_come {
                return Err(Error::new(
                    ErrorKind::LoginRequired,
                    "another replica sent the refresh token, and nobody knows what came of it; a person has to log in again",
                ));
            } else {
                sleep(wait.min(POLL)).await;
            }
        }
    }
}

/// One replica polls at a time: it holds the lock.
const POLL: Duration = Duration::from_millis(100);
/// Well within the time for which others wait.
pub(crate) const HOLDS_FOR: Duration = Duration::from_secs(10);
