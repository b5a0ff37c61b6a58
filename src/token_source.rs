use std::fmt;
use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::Arc;

use crate::access_token::AccessToken;
use crate::error::Result;

/// Anything that yields access tokens: an [`AccessToken`], [`Credentials`](crate::Credentials), or what a program makes itself.
///
/// ```
/// use hallpass::{AccessToken, Result, TokenSource};
///
/// struct FromEnvironment;
///
/// impl TokenSource for FromEnvironment {
///     async fn token(&self, _rejected: Option<&AccessToken>) -> Result<AccessToken> {
///         AccessToken::bearer(std::env::var("API_TOKEN").unwrap_or_default())
///     }
/// }
/// ```
pub trait TokenSource: Send + Sync + 'static {
    /// A token that is valid now, without waiting: no I/O, no allocation. Not asked after a refusal.
    fn cached(&self) -> Option<AccessToken> {
        None
    }

    /// A token that is valid now. `rejected` is the one that an API has just refused: another one is wanted, and only
    /// when there is none may the same come back (the refusal is then final).
    ///
    /// # Cancel safety
    /// The future may be dropped at any await; an implementation must not lose a rotated refresh token by that.
    fn token(&self, rejected: Option<&AccessToken>) -> impl Future<Output = Result<AccessToken>> + Send;
}

impl TokenSource for AccessToken {
    fn cached(&self) -> Option<AccessToken> {
        Some(self.clone())
    }

    fn token(&self, _rejected: Option<&Self>) -> impl Future<Output = Result<Self>> + Send {
        ready(Ok(self.clone()))
    }
}

/// A token source of any type, for a program that chooses its source while it runs. Clones are the same source.
///
/// ```
/// use hallpass::{AccessToken, DynTokenSource, TokenSource as _};
/// let source = DynTokenSource::new(AccessToken::bearer("abc")?);
/// assert!(source.cached().is_some());
/// # Ok::<(), hallpass::Error>(())
/// ```
#[derive(Clone)]
pub struct DynTokenSource(Arc<dyn Erased>);

impl DynTokenSource {
    /// Erases the type of `source`.
    pub fn new(source: impl TokenSource) -> Self {
        Self(Arc::new(source))
    }
}

impl TokenSource for DynTokenSource {
    fn cached(&self) -> Option<AccessToken> {
        self.0.cached()
    }

    async fn token(&self, rejected: Option<&AccessToken>) -> Result<AccessToken> {
        self.0.token(rejected).await
    }
}

impl fmt::Debug for DynTokenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DynTokenSource").finish_non_exhaustive()
    }
}

type Promised<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>;

/// `cached` is forwarded, only `token` is boxed.
trait Erased: Send + Sync {
    fn cached(&self) -> Option<AccessToken>;
    fn token<'a>(&'a self, rejected: Option<&'a AccessToken>) -> Promised<'a, AccessToken>;
}

impl<S: TokenSource> Erased for S {
    fn cached(&self) -> Option<AccessToken> {
        TokenSource::cached(self)
    }

    fn token<'a>(&'a self, rejected: Option<&'a AccessToken>) -> Promised<'a, AccessToken> {
        Box::pin(TokenSource::token(self, rejected))
    }
}
