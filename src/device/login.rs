use std::fmt;
use std::time::Duration;

use time::OffsetDateTime;
use url::Url;

use crate::application::Application;
use crate::credentials::Credentials;
use crate::device::answer::Answer;
use crate::error::Result;
use crate::token::{AwaitedGrant, Polling};

/// A login that waits for a person to confirm its code in a browser on another device.
///
/// Show [`user_code`](Self::user_code) and [`verification_uri`](Self::verification_uri), then [`wait`](Self::wait). Dropping
/// it calls the login off; the provider forgets it when the code expires.
pub struct DeviceLogin {
    polling: Polling,
    user_code: String,
    verification_uri: Url,
    verification_uri_complete: Option<Url>,
}

impl DeviceLogin {
    /// Takes the parts to show from the answer. The grant has the rest.
    pub(super) fn new(application: &Application, grant: AwaitedGrant, answer: Answer) -> Self {
        Self {
            polling: Polling::new(application, grant, answer.life, answer.interval),
            user_code: answer.user_code,
            verification_uri: answer.verification_uri,
            verification_uri_complete: answer.verification_uri_complete,
        }
    }

    /// The code that the person types, without control characters.
    #[must_use]
    pub fn user_code(&self) -> &str {
        &self.user_code
    }

    /// The page where the person types the code: an http or https URL.
    #[must_use]
    pub fn verification_uri(&self) -> &Url {
        &self.verification_uri
    }

    /// The same page with the code filled in, for a link or a QR code, where the provider has one. Show the code, too: the person
    /// compares the two.
    #[must_use]
    pub fn verification_uri_complete(&self) -> Option<&Url> {
        self.verification_uri_complete.as_ref()
    }

    /// The page to confirm the login at, as a QR code for a terminal that writes light on dark: lines of block characters, with a
    /// margin.
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

    /// The time at which the code expires.
    #[must_use]
    pub fn expires_at(&self) -> OffsetDateTime {
        self.polling.expires_at()
    }

    /// The time for which the code is still valid, for a countdown; zero once it has expired.
    #[must_use]
    pub fn expires_in(&self) -> Duration {
        self.polling.expires_in()
    }

    /// The pause between two polls. It grows when the provider asks for that.
    #[must_use]
    pub fn interval(&self) -> Duration {
        self.polling.interval()
    }

    /// Until the person has confirmed the code. The provider is polled at its own pace (RFC 8628, section 3.5); while it
    /// cannot be reached, more and more seldom.
    ///
    /// # Errors
    /// `Cancelled` (the person refused), `TimedOut` (the code expired without a confirmation), `IdToken`, `InvalidResponse`,
    /// `Server`, `MfaRequired`, `Configuration` (also when the credentials were given out before), `Discovery`, `Network`. After an
    /// error the login is over: start another one.
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

/// Shows no codes: their holder can take the login, or confirm it in the person's place.
impl fmt::Debug for DeviceLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeviceLogin")
            .field("application", self.polling.application())
            .field("verification_uri", &self.verification_uri.as_str())
            .field("expires_at", &self.expires_at())
            .field("interval", &self.interval())
            .finish_non_exhaustive()
    }
}
