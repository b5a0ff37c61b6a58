use std::sync::Arc;

use crate::credentials::Credentials;
use crate::dpop::DpopKey;
use crate::error::{Error, ErrorKind, Result};
use crate::provider::{Flow, Metadata};
use crate::requested_api::RequestedApi;
use crate::spans::Span;
use crate::token::{self, Asked};
use crate::web_auth::builder::WebAuth;
use crate::web_auth::callback::Callback;
use crate::web_auth::delivery::Delivered;
use crate::web_auth::parameters::Parameters;
use crate::web_auth::pending::{LoginSecrets, PendingLogin};
use crate::web_auth::redirect_uri::is_where_it_came;
use crate::web_auth::request::AuthorizationRequest;

#[cfg(feature = "loopback")]
use {
    crate::access_token::TokenType,
    crate::web_auth::listener::{Arrival, Listener, LoopbackAddress, PageOutcome},
    std::collections::HashSet,
    std::pin::pin,
    std::sync::{Mutex, PoisonError},
    std::time::Duration,
    tokio::time::timeout,
    url::Url,
    zeroize::Zeroizing,
};

impl WebAuth {
    /// The whole login: listens on loopback, opens the browser, takes the callback, redeems the code, verifies the ID
    /// token, and shows the person how it ended.
    ///
    /// # Errors
    /// `Configuration`, `Discovery`, `Browser` (no free port, no browser), `TimedOut` (no callback, as when the provider shows an
    /// error page because the redirect URI is not registered), `Cancelled` (the person refused), `Callback`, `IdToken`,
    /// `InvalidResponse`, `Server`, `MfaRequired`, `LoginRequired`, `Network`.
    ///
    /// # Cancel safety
    /// Dropping the future ends the login: the port is free at once, and nothing is left behind.
    #[cfg(feature = "loopback")]
    pub async fn start(&self) -> Result<Credentials> {
        Span::login(self.application.client_id()).watch(self.log_in()).await
    }

    #[cfg(feature = "loopback")]
    async fn log_in(&self) -> Result<Credentials> {
        let metadata = self.application.provider().metadata().await?;
        let mut listener = Listener::bind(&self.loopback_address()?, self.parameters.response_mode, self.page.clone())?;
        let login = self.prepare(&metadata, listener.redirect_uri().into()).await?;
        let heard = Mutex::new(None);
        let belongs = |text: &str| {
            let belongs = login.is_answered_by(text);
            if let Some(error) = Callback::parse(text).ok().filter(|_| !belongs).and_then(|other| other.error_without_state(&login))
            {
                *heard.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            }
            belongs
        };
        let returned = timeout(self.timeout, self.wait_for_return(&mut listener, login.url(), &belongs)).await;
        let heard = heard.into_inner().unwrap_or_else(PoisonError::into_inner);
        match returned.unwrap_or_else(|_| Err(self.nobody_came_back(&login, heard, listener.has_come_by_get())))? {
            Return::Pasted(callback) => self.redeem(login, &metadata, &callback).await,
            Return::Arrived(mut arrival) => {
                let callback = Zeroizing::new(arrival.callback().to_owned());
                let result = listener.while_pending(&mut arrival, self.redeem(login, &metadata, &callback)).await;
                listener.answer(arrival, outcome(&result)).await;
                result
            }
        }
    }

    /// The first half of a login, for programs that handle their [`redirect_uri`](Self::redirect_uri) themselves: send the person
    /// to [`PendingLogin::url`], and keep the rest until they come back.
    ///
    /// # Errors
    /// `Configuration`, `Discovery`, `Network`, `TimedOut`; where the login is [`pushed`](Self::pushed), also `Server` and
    /// `InvalidResponse`.
    pub async fn begin(&self) -> Result<PendingLogin> {
        let Some(redirect_uri) = &self.redirect_uri else {
            return Err(Error::configuration(
                "begin() has no redirect_uri to come back to; set the one that is registered at the provider",
            ));
        };
        let redirect_uri = redirect_uri.clone()?;
        self.parameters.checked()?;
        let metadata = self.application.provider().metadata().await?;
        self.prepare(&metadata, redirect_uri).await
    }

    /// The second half: `callback` is what came to the redirect URI, as its full URL, its query, or a form's body.
    ///
    /// # Errors
    /// `Callback` (it is not the answer to this login, or came too late), `Cancelled` (the person refused), `IdToken`,
    /// `InvalidResponse`, `Server`, `MfaRequired`, `LoginRequired`, `Configuration` (the login is another application's,
    /// or was begun with less than this asks for: no `openid`, no key, another organization, a longer `max_age`), `Discovery`, `Network`, `TimedOut`.
    ///
    /// # Cancel safety
    /// A login is used up by the attempt: when the future is dropped, the person has to log in again.
    pub async fn finish(&self, login: PendingLogin, callback: &str) -> Result<Credentials> {
        let second_half = async {
            self.asks_no_more_than(&login)?;
            let metadata = self.application.provider().metadata().await?;
            self.redeem(login, &metadata, callback).await
        };
        Span::login(self.application.client_id()).watch(second_half).await
    }

    /// Checks that the login asked for all that this program demands. The answer is checked for what the login asked for.
    fn asks_no_more_than(&self, login: &PendingLogin) -> Result<()> {
        let is_signed_alike = login.response_mode.is_signed() || !self.parameters.response_mode.is_signed();
        let is_bound_alike = login.secrets.dpop_key.is_some() || self.application.dpop_key().is_some() || !self.dpop_per_login;
        let proves_who_it_is = login.asks_for_identity() || !self.parameters.ask_for_identity();
        if is_signed_alike && is_bound_alike && proves_who_it_is && self.parameters.demands.are_covered_by(&login.demands) {
            return Ok(());
        }
        Err(Error::configuration(
            "this login was begun without the openid, organization, max_age, essential acr, key or signed response that is asked for here; finish it with the WebAuth that began it",
        ))
    }

    /// Returns whether the credentials grant all that a login would ask for.
    #[cfg(feature = "loopback")]
    pub(crate) fn is_satisfied_by(&self, credentials: &Credentials) -> bool {
        let requested = &credentials.parts().requested;
        let held: HashSet<&str> = credentials.scope().split(' ').chain(requested.scope.split(' ')).collect();
        self.parameters.scope.split(' ').all(|scope| held.contains(scope))
            && self.parameters.api.as_ref().is_none_or(|api| requested.api.as_ref() == Some(api))
            && (!self.wants_dpop() || credentials.token_type() == TokenType::DPoP)
    }

    /// The API that a login asks for.
    pub(crate) fn api(&self) -> Option<&RequestedApi> {
        self.parameters.api.as_ref()
    }

    pub(crate) fn scope_text(&self) -> &str {
        &self.parameters.scope
    }

    /// Any key will do that the tokens are bound to: credentials bring theirs along.
    pub(super) fn wants_dpop(&self) -> bool {
        self.dpop_per_login || self.application.dpop_key().is_some()
    }

    fn dpop_key_of_a_login(&self) -> Result<Option<DpopKey>> {
        if self.dpop_per_login { DpopKey::generate().map(Some) } else { Ok(self.application.dpop_key().cloned()) }
    }

    async fn prepare(&self, metadata: &Metadata, redirect_uri: Arc<str>) -> Result<PendingLogin> {
        let parameters = self.parameters.checked()?;
        self.check_fapi2(metadata, &redirect_uri)?;
        metadata.check_login(parameters.ask_for_identity())?;
        parameters.response_mode.check(metadata.response_modes.as_deref())?;
        let secrets = LoginSecrets::generate(self.dpop_key_of_a_login()?)?;
        let client_id = self.application.client_id();
        let request =
            AuthorizationRequest { parameters: &self.parameters, client_id, redirect_uri: &redirect_uri, secrets: &secrets };
        let Delivered { url, url_life } = self.delivery.deliver(&self.application, metadata, &request).await?;
        let now = self.application.time().now();
        let Parameters { scope, api, demands, response_mode, .. } = parameters;
        Ok(PendingLogin {
            url,
            url_expires_at: url_life.map(|life| now.plus(life)),
            issuer: Arc::clone(&metadata.issuer),
            client_id: Arc::clone(self.application.shared_client_id()),
            redirect_uri,
            scope: Arc::clone(scope),
            api: api.clone(),
            demands: demands.clone(),
            is_silent: parameters.are_silent(),
            response_mode: *response_mode,
            expires_at: now.plus(self.timeout),
            secrets,
        })
    }

    async fn redeem(&self, login: PendingLogin, metadata: &Metadata, callback: &str) -> Result<Credentials> {
        if login.issuer != metadata.issuer || *login.client_id != *self.application.client_id() {
            return Err(Error::configuration(
                "this login was begun for another issuer or client id; finish it with the WebAuth that began it",
            ));
        }
        if login.expires_at <= self.application.time().now() {
            return Err(Error::new(ErrorKind::Callback, "the callback came after the login had timed out; start the login anew"));
        }
        if !is_where_it_came(&login.redirect_uri, callback) {
            return Err(Error::new(
                ErrorKind::Callback,
                "the callback is not the answer to this login: it came to another redirect URI; give each provider one of its own",
            ));
        }
        let callback = match Callback::parse(callback)? {
            plain if !login.response_mode.is_signed() => plain,
            signed => signed.verified(&self.application, metadata).await?,
        };
        if self.application.is_fapi2() {
            self.check_fapi2(metadata, &login.redirect_uri)?;
            callback.must_name_issuer()?;
        }
        let code = callback.code(&login, metadata)?;
        let application = self.application.bound_to(login.secrets.dpop_key.as_ref());
        let (state, nonce) = (login.secrets.state(), login.secrets.nonce());
        let flow =
            Flow::Login { nonce: login.asks_for_identity().then_some(&*nonce), code: Some(code.expose()), demands: &login.demands };
        let asked = Asked { scope: &login.scope, api: login.api.as_ref(), flow, hidden: &[&state, &nonce] };
        let code_verifier = login.secrets.code_verifier();
        token::redeem_code(&application, metadata, code.expose(), &login.redirect_uri, &code_verifier, asked).await
    }
}

#[cfg(feature = "loopback")]
impl PendingLogin {
    /// Returns whether this is an answer to the login, by its state.
    fn is_answered_by(&self, text: &str) -> bool {
        let Ok(callback) = Callback::parse(text) else { return false };
        let signed = if self.response_mode.is_signed() { callback.unverified() } else { None };
        // A plain one where a signed one was asked for ends the login, too: by an error.
        signed.as_ref().unwrap_or(&callback).answers(self)
    }
}

/// The way in which the browser came back.
#[cfg(feature = "loopback")]
pub(super) enum Return {
    Arrived(Arrival),
    /// By the person's hand, where the browser runs on another machine.
    Pasted(Zeroizing<String>),
}

#[cfg(feature = "loopback")]
impl WebAuth {
    pub(super) fn loopback_address(&self) -> Result<LoopbackAddress> {
        match &self.redirect_uri {
            None => Ok(self.address.clone()),
            Some(uri) => LoopbackAddress::from_redirect_uri(&uri.clone()?),
        }
    }

    /// Waits for the callback while a browser runs in this terminal, because it returns only when it is closed.
    pub(super) async fn wait_for_return(
        &self,
        listener: &mut Listener,
        url: &Url,
        belongs: &(dyn Fn(&str) -> bool + Sync),
    ) -> Result<Return> {
        let mut opening = pin!(self.browser.open(url));
        let mut accepting = pin!(listener.accept(belongs));
        let mut pasting = self.browser.pasted();
        let mut opened = false;
        loop {
            tokio::select! {
                result = &mut opening, if !opened => {
                    result?;
                    opened = true;
                }
                arrival = &mut accepting => return Ok(Return::Arrived(arrival)),
                pasted = &mut pasting => {
                    let pasted = Zeroizing::new(pasted?);
                    if belongs(&pasted) {
                        return Ok(Return::Pasted(pasted));
                    }
                    pasting = self.browser.pasted();
                    // One that has its text at once leaves time for everybody else.
                    tokio::time::sleep(BETWEEN_PASTES).await;
                }
            }
        }
    }

    fn nobody_came_back(&self, login: &PendingLogin, heard: Option<String>, came_by_get: bool) -> Error {
        let waited = self.timeout.as_secs();
        if came_by_get {
            return Error::new(
                ErrorKind::TimedOut,
                format!(
                    "no form was posted in {waited} seconds, but an answer came in a URL, which was not asked for; the provider does not post \
                     answers, so leave form_post out"
                ),
            );
        }
        if let Some(heard) = heard {
            return Error::new(
                ErrorKind::TimedOut,
                format!(
                    "no callback arrived in {waited} seconds; a request without state said {heard}, which is perhaps the provider's refusal: \
                     see the provider's log"
                ),
            );
        }
        Error::new(
            ErrorKind::TimedOut,
            format!(
                "no callback arrived in {} seconds; if the browser shows an error page, {}register {} as an allowed callback URL",
                self.timeout.as_secs(),
                if login.url_expires_at.is_some() { "open the login sooner, or " } else { "" },
                login.redirect_uri
            ),
        )
    }
}

#[cfg(feature = "loopback")]
fn outcome(result: &Result<Credentials>) -> PageOutcome {
    match result {
        Ok(_) => PageOutcome::Done,
        Err(error) if error.kind() == ErrorKind::Cancelled => PageOutcome::Refused,
        Err(_) => PageOutcome::Failed,
    }
}

#[cfg(feature = "loopback")]
const BETWEEN_PASTES: Duration = Duration::from_millis(50);
