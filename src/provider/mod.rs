//! The provider: its metadata, its keys, and the checks of its ID tokens.

mod claims;
mod demands;
mod id_token;
mod issuer;
mod jwt;
mod keys;
mod metadata;
mod organization;
mod registered;

pub use claims::Claims;
pub(crate) use demands::Demands;
pub use id_token::IdToken;
pub(crate) use id_token::{Expected, Flow};
pub(crate) use issuer::{Issuer, IssuerAlias};
pub(crate) use jwt::{NumericDate, Parties, Purpose, Tolerances};
#[cfg(any(fuzzing, test))]
pub(crate) use keys::{KeySet, Verdict};
#[cfg(any(fuzzing, test))]
pub(crate) use metadata::Endpoint;
pub(crate) use metadata::Metadata;
pub(crate) use organization::Organization;
pub(crate) use registered::{RegisteredAlgorithm, RegisteredAlgorithms};

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use crate::cache::Cached;
use crate::clock::Clock;
use crate::error::{ErrorKind, Result};
use crate::jose::CompactJws;
use crate::origin::Reach;
use crate::secret::Secret;
use crate::transport::Transport;
use keys::Keys;

/// A provider as all clones of an application share it: asked for its metadata and keys lazily, and once.
#[derive(Debug)]
pub(crate) struct Provider {
    issuer: Result<Issuer>,
    transport: Arc<Transport>,
    clock: Clock,
    metadata: Cached<Arc<Metadata>>,
    keys: Keys,
}

impl Provider {
    /// `domain` may be nonsense: that is said when the provider is first needed.
    pub(crate) fn new(domain: &str, alias: Option<IssuerAlias>, reach: Reach, transport: Arc<Transport>, clock: Clock) -> Self {
        let keys = Keys::new(Arc::clone(&transport), clock.clone());
        let issuer = Issuer::parse(domain, alias).map(|issuer| issuer.reaching(reach));
        Self { issuer, transport, clock, metadata: Cached::new(), keys }
    }

    pub(crate) async fn metadata(&self) -> Result<Arc<Metadata>> {
        let issuer = self.issuer.as_ref().map_err(Clone::clone)?;
        self.metadata.current(self.clock.reader(), FRESH_FOR, STALE_FOR, || self.discover(issuer)).await
    }

    /// Returns whether its metadata could have this issuer.
    pub(crate) fn may_be(&self, issuer: &str) -> bool {
        self.issuer.as_ref().is_ok_and(|own| own.accepts(issuer))
    }

    /// The only way from a text to an [`IdToken`], but for one that comes back from a store (`IdToken::restore`).
    pub(crate) async fn verify_id_token(&self, text: &Secret, expected: &Expected<'_>) -> Result<IdToken> {
        id_token::verify(text, expected, &self.keys).await
    }

    /// Has the keys at hand when an ID token arrives, if they can be had by then. Waits for nothing.
    pub(crate) fn prepare_keys(&self, metadata: &Metadata) {
        if let Ok(url) = metadata.jwks_uri.url() {
            self.keys.prepare(url);
        }
    }

    /// Any other JWT, which has to have these of the claims `exp` and `iat`: its payload can be believed then.
    pub(crate) async fn verify<'t>(&self, text: &'t str, parties: &Parties<'_>, times: &[&str]) -> Result<CompactJws<'t>> {
        parties.verify(text, times, &self.keys).await
    }

    /// OpenID Connect Discovery 1.0, section 4.
    fn discover(&self, issuer: &Issuer) -> impl Future<Output = Result<Arc<Metadata>>> + Send + 'static {
        let (transport, clock, issuer) = (Arc::clone(&self.transport), self.clock.clone(), issuer.clone());
        async move {
            let reply = transport.get("the request for the provider's metadata", &issuer.metadata_url()).await?;
            if !reply.status.is_success() {
                return Err(reply.unexpected_status(ErrorKind::Discovery, clock.now()));
            }
            Metadata::from_reply(&reply, &issuer).map(Arc::new)
        }
    }

    /// For addresses that no metadata name: a path under the issuer, as the program names it.
    #[cfg(feature = "auth0")]
    pub(crate) fn url(&self, path: &str) -> Result<url::Url> {
        let mut url = self.issuer.as_ref().map_err(Clone::clone)?.url().clone();
        url.set_path(&format!("{}/{path}", url.path().trim_end_matches('/')));
        Ok(url)
    }

    pub(crate) fn transport(&self) -> &Arc<Transport> {
        &self.transport
    }
}

impl Metadata {
    /// The algorithms that the provider signs this with, if it names them.
    pub(crate) fn algorithms(&self, purpose: Purpose) -> Option<&[String]> {
        match purpose {
            // OpenID Connect Back-Channel Logout 1.0, section 2.4: a logout token is signed as ID tokens are.
            Purpose::IdToken | Purpose::LogoutToken => self.id_token_algorithms.as_deref(),
            Purpose::UserInfo => self.user_info_algorithms.as_deref(),
            Purpose::AuthorizationResponse => self.authorization_response_algorithms.as_deref(),
        }
    }
}

const FRESH_FOR: Duration = Duration::from_secs(60 * 60);
/// The time for which metadata serves when it cannot be fetched again.
const STALE_FOR: Duration = Duration::from_secs(24 * 60 * 60);
