use std::future::{Future, ready};

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

/// The trait as an object: `cached` is forwarded, only `token` is boxed.
pub(crate) mod dynamic {
    use std::pin::Pin;

    use super::{AccessToken, Future, Result, TokenSource};

    pub(crate) trait DynTokenSource: Send + Sync {
        fn cached(&self) -> Option<AccessToken>;
        fn token<'a>(&'a self, rejected: Option<&'a AccessToken>)
        -> Pin<Box<dyn Future<Output = Result<AccessToken>> + Send + 'a>>;
    }

    impl<T: TokenSource> DynTokenSource for T {
        fn cached(&self) -> Option<AccessToken> {
            TokenSource::cached(self)
        }

        fn token<'a>(
            &'a self,
            rejected: Option<&'a AccessToken>,
        ) -> Pin<Box<dyn Future<Output = Result<AccessToken>> + Send + 'a>> {
            Box::pin(TokenSource::token(self, rejected))
        }
    }
}
