use url::Url;

use crate::credentials::Credentials;
use crate::error::{Error, ErrorKind, Result};
use crate::provider::Metadata;
use crate::secret::Secret;
use crate::web_auth::builder::WebAuth;

/// The options of a logout at the provider, beside ending the session in the browser.
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct Logout {
    id_token: Option<Secret>,
    return_to: Option<String>,
    federated: bool,
    state: Option<Secret>,
}

impl Logout {
    /// Ends the session and leaves the browser at the provider.
    pub fn new() -> Self {
        Self::default()
    }

    /// Of the person whom these credentials are about: with their ID token the provider need not ask which session is
    /// meant. It becomes a part of the URL (`id_token_hint`), and is seen wherever that is; Auth0 needs none and gets none.
    pub fn of(mut self, credentials: &Credentials) -> Self {
        self.id_token = credentials.id_token().map(|id_token| id_token.raw().clone());
        self
    }

    /// The URL that the provider sends the browser to afterwards: an absolute URL that is registered there as a logout URL.
    pub fn return_to(mut self, url: impl Into<String>) -> Self {
        self.return_to = Some(url.into());
        self
    }

    /// Also ends the session at the identity source behind Auth0, such as Google.
    pub fn federated(mut self) -> Self {
        self.federated = true;
        self
    }

    /// A text that comes back with the browser.
    pub fn state(mut self, state: impl Into<Secret>) -> Self {
        self.state = Some(state.into());
        self
    }
}

impl WebAuth {
    /// The URL that ends the browser's session there: `/v2/logout` at Auth0, else the provider's end_session_endpoint (OpenID
    /// Connect RP-Initiated Logout 1.0). It does not revoke tokens, see [`Application::revoke`](crate::Application::revoke).
    ///
    /// # Errors
    /// `Discovery` when the provider has neither; `Network`, `TimedOut`.
    pub async fn logout_url(&self, logout: &Logout) -> Result<Url> {
        let metadata = self.application().provider().metadata().await?;
        let mut url = if metadata.speaks_auth0 { auth0_logout(&metadata)? } else { end_session(&metadata)? };
        {
            let mut query = url.query_pairs_mut();
            query.append_pair("client_id", self.application().client_id());
            let return_to = if metadata.speaks_auth0 { "returnTo" } else { "post_logout_redirect_uri" };
            if let Some(url) = &logout.return_to {
                query.append_pair(return_to, url);
            }
            if logout.federated {
                query.append_key_only("federated");
            }
            if !metadata.speaks_auth0 {
                if let Some(id_token) = &logout.id_token {
                    query.append_pair("id_token_hint", id_token.expose());
                }
                if let Some(state) = &logout.state {
                    query.append_pair("state", state.expose());
                }
            }
        }
        Ok(url)
    }

    /// Ends the session in the person's browser. With a [`return_to`](Logout::return_to) on loopback, it waits there for the
    /// browser, tells the person, and returns; without one it returns when the browser was opened. Only a return with the `state` that
    /// was sent ends the wait; without a [`state`](Logout::state), a random one is sent. Auth0 takes no state: there, a return without
    /// one ends the wait.
    ///
    /// # Errors
    /// As [`logout_url`](Self::logout_url); `Browser`; `TimedOut` when the browser does not come back.
    ///
    /// # Cancel safety
    /// Dropping the future frees the port at once; the browser may have ended the session already.
    #[cfg(feature = "loopback")]
    pub async fn logout(&self, logout: &Logout) -> Result<()> {
        use crate::crypto::equal;
        use crate::web_auth::callback::Callback;
        use crate::web_auth::listener::{Listener, LoopbackAddress, PageOutcome};
        use crate::web_auth::login::Return;
        use crate::web_auth::pending::LoginSecrets;
        use crate::web_auth::response_mode::ResponseMode;

        let speaks_auth0 = self.application().provider().metadata().await?.speaks_auth0;
        let mut logout = logout.clone();
        if logout.state.is_none() && logout.return_to.is_some() && !speaks_auth0 {
            logout.state = Some(Secret::new(&*LoginSecrets::generate(None)?.state()));
        }
        let url = self.logout_url(&logout).await?;
        let address = logout.return_to.as_deref().and_then(|url| LoopbackAddress::from_redirect_uri(url).ok());
        let Some(address) = address else { return self.browser.open(&url).await };
        let mut listener = Listener::bind(&address, ResponseMode::Query, self.page.clone())?;
        // RP-Initiated Logout 1.0, section 3: "If included in the logout request, the OP passes this value back". Not all do.
        let belongs = |text: &str| {
            let Ok(callback) = Callback::parse(text) else { return false };
            match (&callback.state, &logout.state) {
                (None, _) => true,
                (Some(came), Some(sent)) => equal(came.text.as_bytes(), sent.expose().as_bytes()),
                (Some(_), None) => false,
            }
        };
        let returned = tokio::time::timeout(self.timeout, self.wait_for_return(&mut listener, &url, &belongs)).await;
        let returned = returned.unwrap_or_else(|_| {
            let register = "register the return URL as an allowed logout URL";
            Err(Error::new(ErrorKind::TimedOut, format!("the browser did not come back; {register}")))
        })?;
        if let Return::Arrived(arrival) = returned {
            listener.answer(arrival, PageOutcome::LoggedOut).await;
        }
        Ok(())
    }
}

/// `https://{domain}/v2/logout`, which no metadata name.
fn auth0_logout(metadata: &Metadata) -> Result<Url> {
    let issuer = format!("{}/v2/logout", metadata.issuer.trim_end_matches('/'));
    Url::parse(&issuer)
        .map_err(|error| Error::new(ErrorKind::Discovery, "the issuer is no URL; check the domain or issuer").with_source(error))
}

fn end_session(metadata: &Metadata) -> Result<Url> {
    metadata.end_session_endpoint.url().cloned()
}
