use std::sync::{Arc, OnceLock};

use http::StatusCode;
use http::header::HOST;
use reqwest::{Client, Request, Response};
use tokio::time::Instant;
use url::{Position, Url};

use super::challenge::Challenge;
use super::clients::{Clients, has_default_header};
use super::origins::{Origins, same_origin};
use super::presentation::Presentation;
use super::redirect;
use super::renewal::{Advice, Renewals};
use super::repeat::Repeat;
use crate::access_token::AccessToken;
use crate::error::{Error, ErrorKind, Result};
use crate::step_up::StepUp;
use crate::token_source::dynamic::DynTokenSource;

/// Puts a token on each request, and makes the most of one refusal.
#[derive(Clone)]
pub(super) struct Authorizer {
    pub(super) source: Arc<dyn DynTokenSource>,
    pub(super) clients: Arc<Clients>,
    pub(super) origins: Origins,
    pub(super) presentation: Presentation,
    /// Whether the client's default headers leave the token's header alone; looked up once.
    pub(super) header_is_free: OnceLock<bool>,
    pub(super) renewals: Arc<Renewals>,
}

/// One call, which may be several requests: what each further one needs.
struct Call<'a> {
    authorizer: &'a Authorizer,
    repeat: Repeat,
    /// The request's own timeout, over all that the call does.
    deadline: Option<Instant>,
    /// What was asked last, where reqwest may have gone on by itself.
    asked: Option<Url>,
    is_retried: bool,
}

impl Authorizer {
    pub(super) fn client(&self) -> Result<&Client> {
        self.clients.main(&self.origins)
    }

    pub(super) async fn call(&self, mut request: Request) -> Result<Response> {
        self.origins.check(request.url())?;
        check_host(&request)?;
        self.check_header(&request)?;
        let mut call = Call::of(self, &mut request);
        for _ in 0..=MAX_REDIRECTS {
            let response = call.authorized(request).await?;
            match call.redirected(&response) {
                Some(next) => request = next,
                None => return Ok(response),
            }
        }
        Err(Error::invalid_response("the API redirected the call more than 10 times"))
    }

    /// Two answers to who is calling are one too many.
    fn check_header(&self, request: &Request) -> Result<()> {
        let header = self.presentation.header();
        if request.headers().contains_key(header) {
            return Err(Error::configuration(format!("leave `{header}` out of the request: this client puts the token there")));
        }
        let client = self.client()?;
        if !self.header_is_free.get_or_init(|| !has_default_header(client, header)) {
            return Err(Error::configuration(format!(
                "leave `{header}` out of the HTTP client's default headers: this client puts the token there"
            )));
        }
        Ok(())
    }
}

impl<'a> Call<'a> {
    fn of(authorizer: &'a Authorizer, request: &mut Request) -> Self {
        let deadline = request.timeout().and_then(|timeout| Instant::now().checked_add(*timeout));
        Self { authorizer, repeat: Repeat::of(request), deadline, asked: None, is_retried: false }
    }

    /// The protocol: allowed origin? → token → header → reqwest → verdict on the status → at most one more try.
    async fn authorized(&mut self, request: Request) -> Result<Response> {
        self.authorizer.origins.check(request.url())?;
        let token = self.token().await?;
        let response = self.send(request, &token).await?;
        if !is_token_refused(&response)? || self.is_retried {
            return Ok(response);
        }
        let Some(token) = self.another_token(token).await? else { return Ok(response) };
        let Some(request) = self.repeat.request(self.asked(&response).clone()) else { return Ok(response) };
        self.is_retried = true;
        let response = self.send(request, &token).await?;
        is_token_refused(&response)?;
        Ok(response)
    }

    async fn token(&self) -> Result<AccessToken> {
        match self.authorizer.source.cached() {
            Some(token) => Ok(token),
            None => self.in_time(self.authorizer.source.token(None)).await,
        }
    }

    /// After a refusal; none when there is no other token.
    async fn another_token(&self, refused: AccessToken) -> Result<Option<AccessToken>> {
        let renewals = &self.authorizer.renewals;
        match renewals.advice(&refused) {
            Advice::GiveUp => Ok(None),
            Advice::Use(token) => Ok(Some(token)),
            Advice::Renew => {
                let token = self.in_time(self.authorizer.source.token(Some(&refused))).await?;
                let another = (token != refused).then(|| token.clone());
                renewals.record(refused, token);
                Ok(another)
            }
        }
    }

    async fn in_time(&self, token: impl Future<Output = Result<AccessToken>>) -> Result<AccessToken> {
        let Some(deadline) = self.deadline else { return token.await };
        tokio::time::timeout_at(deadline, token).await.unwrap_or_else(|_| {
            Err(Error::new(ErrorKind::TimedOut, "no access token was there within the request's timeout").transient())
        })
    }

    async fn send(&mut self, mut request: Request, token: &AccessToken) -> Result<Response> {
        let Authorizer { clients, origins, presentation, .. } = self.authorizer;
        presentation.put(token, request.headers_mut());
        if let Some(deadline) = self.deadline {
            *request.timeout_mut() = Some(deadline.saturating_duration_since(Instant::now()));
        }
        let client = clients.for_url(request.url(), origins)?;
        self.asked = clients.may_follow_redirects().then(|| without_fragment(request.url()));
        let response = client.execute(request).await.map_err(|error| Error::network("the call to the API", error))?;
        if !same_origin(self.asked(&response), response.url()) {
            return Err(Error::forbidden(
                "the HTTP client followed a redirect to another origin, where the token may have gone along; \
                 build it with AuthorizedClient::redirect_policy()",
            ));
        }
        Ok(response)
    }

    fn asked<'b>(&'b self, response: &'b Response) -> &'b Url {
        self.asked.as_ref().unwrap_or_else(|| response.url())
    }

    fn redirected(&mut self, response: &Response) -> Option<Request> {
        if self.asked(response) != response.url() {
            // reqwest has followed some already, and with which method nobody knows.
            return None;
        }
        redirect::next(response.status(), response.headers(), response.url(), &mut self.repeat, &self.authorizer.origins)
    }
}

/// RFC 9110, section 7.2: `Host` says whose the request is. Where several share an address, a token would go to another one
/// than the URL's, as when a program hands the headers of a request it got on.
fn check_host(request: &Request) -> Result<()> {
    let own = &request.url()[Position::BeforeHost..Position::AfterPort];
    let mut named = request.headers().get_all(HOST).iter();
    if named.all(|host| host.as_bytes().eq_ignore_ascii_case(own.as_bytes())) {
        return Ok(());
    }
    Err(Error::forbidden("no token goes to another `Host` than the URL's: leave the header out of the request"))
}

/// As a response's URL is: a fragment is never sent.
fn without_fragment(url: &Url) -> Url {
    let mut url = url.clone();
    url.set_fragment(None);
    url
}

/// Whether another token may help (RFC 6750, section 3.1). What only another login can help is an error (RFC 9470).
fn is_token_refused(response: &Response) -> Result<bool> {
    let status = response.status();
    if status != StatusCode::UNAUTHORIZED && status != StatusCode::FORBIDDEN {
        return Ok(false);
    }
    let challenges = Challenge::all(response.headers());
    let mut codes = Vec::new();
    for challenge in challenges.iter().filter(|challenge| challenge.is("Bearer") || challenge.is("DPoP")) {
        let Some(code) = challenge.parameter("error") else { continue };
        if matches!(code, "insufficient_scope" | "insufficient_user_authentication") {
            let [scope, acr_values, max_age] = ["scope", "acr_values", "max_age"].map(|name| challenge.parameter(name));
            return Err(StepUp::new(scope, acr_values, max_age).into_error());
        }
        codes.push(code);
    }
    // Many APIs answer with a bare 401: it counts as invalid_token.
    Ok(status == StatusCode::UNAUTHORIZED && (codes.is_empty() || codes.contains(&"invalid_token")))
}

/// As many as reqwest follows.
const MAX_REDIRECTS: usize = 10;
