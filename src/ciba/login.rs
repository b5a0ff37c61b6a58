use std::fmt;
use std::time::Duration;

use time::OffsetDateTime;

use crate::application::Application;
use crate::credentials::Credentials;
use crate::error::Result;
use crate::secret::Secret;
use crate::token::{AwaitedGrant, Polling};

/// A login that waits for a person's answer on another device.
///
/// Dropping it calls the login off; the provider forgets it when the time for an answer is over.
pub struct CibaLogin {
    polling: Polling,
}

impl CibaLogin {
    pub(super) fn new(application: &Application, grant: AwaitedGrant, life: Duration, interval: Duration) -> Self {
        Self { polling: Polling::new(application, grant, life, interval) }
    }

    /// The provider's name for this request.
    #[must_use]
    pub fn auth_req_id(&self) -> &Secret {
        self.polling.code()
    }

    /// The time after which no answer is accepted.
    #[must_use]
    pub fn expires_at(&self) -> OffsetDateTime {
        self.polling.expires_at()
    }

    /// The time that is left for an answer, for a countdown; zero when it is over.
    #[must_use]
    pub fn expires_in(&self) -> Duration {
        self.polling.expires_in()
    }

    /// The pause between two polls. It grows when the provider asks for that.
    #[must_use]
    pub fn interval(&self) -> Duration {
        self.polling.interval()
    }

    /// Until the person has answered. The provider is polled at its own pace (CIBA Core 1.0, section 7.3); while it cannot be
    /// reached, more and more seldom.
    ///
    /// # Errors
    /// `Cancelled` (the person refused), `TimedOut` (no answer came in time), `IdToken` (also when another person answered than the
    /// one that was named), `InvalidResponse`, `Server`, `MfaRequired`, `Configuration` (also when the credentials were given out
    /// before), `Discovery`, `Network`. After an error the login is over: start another one.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing: the next one goes on where it was, at the same pace.
    pub async fn wait(&mut self) -> Result<Credentials> {
        self.polling.wait().await
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
        self.polling.poll().await
    }
}

/// Shows no `auth_req_id`: with the application's secret it is as good as the login.
impl fmt::Debug for CibaLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CibaLogin")
            .field("application", self.polling.application())
            .field("expires_at", &self.expires_at())
            .field("interval", &self.interval())
            .finish_non_exhaustive()
    }
}
