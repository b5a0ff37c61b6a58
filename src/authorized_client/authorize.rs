use std::sync::Arc;

use http::header::HOST;
use http::{HeaderMap, StatusCode};
use reqwest::{Request, Response};
use tokio::time::Instant;
use url::{Position, Url};

use super::origins::Origins;
use super::presentation::Presentation;
use super::redirect;
use super::renewal::{Advice, Renewals};
use super::repeat::Repeat;
use crate::access_token::AccessToken;
use crate::challenge::Challenge;
use crate::dpop::{self, Proofs};
use crate::error::{Error, ErrorKind, Result};
use crate::origin::same_origin;
use crate::spans::Span;
use crate::step_up::StepUp;
use crate::token_source::{DynTokenSource, TokenSource as _};

/// Puts a token on each request, and makes the most of one refusal: the same for whatever carries the requests.
#[derive(Clone)]
pub(super) struct Authorizer {
    pub(super) source: DynTokenSource,
    pub(super) origins: Origins,
    pub(super) presentation: Presentation,
    pub(super) renewals: Arc<Renewals>,
}

/// Sends a request to the API: reqwest, or a service in its place.
pub(super) trait Carrier: Send {
    type Answer: Answer;

    /// Returns whether redirects may be followed below this crate.
    fn may_follow_redirects(&self) -> bool;

    fn carry(&mut self, request: Request) -> impl Future<Output = Result<Self::Answer>> + Send;
}

/// The parts of a response that the decision about the token needs.
pub(super) trait Answer: Send {
    fn status(&self) -> StatusCode;
    fn headers(&self) -> &HeaderMap;
    /// The URL that answered, without a fragment.
    fn url(&self) -> &Url;
}

/// One call, which may be several requests: what each further one needs.
struct Call<'a, C> {
    authorizer: &'a Authorizer,
    carrier: &'a mut C,
    repeat: Repeat,
    /// The request's own timeout, over all that the call does.
    deadline: Option<Instant>,
    /// The URL of the last request, if the carrier may have followed redirects.
    asked: Option<Url>,
    is_retried: bool,
    span: Span,
}

impl Authorizer {
    pub(super) async fn call<C: Carrier>(&self, carrier: &mut C, request: Request) -> Result<C::Answer> {
        let span = Span::call(request.method(), request.url());
        span.clone().watch(self.follow(carrier, request, span)).await
    }

    async fn follow<C: Carrier>(&self, carrier: &mut C, mut request: Request, span: Span) -> Result<C::Answer> {
        check_host(&request)?;
        self.check_header(&request)?;
        let mut call = Call::of(self, carrier, &mut request, span);
        for _ in 0..=MAX_REDIRECTS {
            let answer = call.authorized(request).await?;
            match call.redirected(&answer) {
                Some(next) => request = next,
                None => return Ok(answer),
            }
        }
        Err(Error::invalid_response("the API redirected the call more than 10 times; call the address that it should end at"))
    }

    /// Two answers to who is calling are one too many.
    fn check_header(&self, request: &Request) -> Result<()> {
        let header = self.presentation.header();
        if !request.headers().contains_key(header) {
            return Ok(());
        }
        Err(Error::configuration(format!(
            "the request has the header `{header}` already; leave it out, since this client puts the token there"
        )))
    }

    async fn token(&self, deadline: Option<Instant>) -> Result<AccessToken> {
        match self.source.cached() {
            Some(token) => Ok(token),
            None => by(deadline, self.source.token(None)).await,
        }
    }

    /// After a refusal; none when there is no other token.
    async fn another_token(&self, refused: AccessToken, deadline: Option<Instant>) -> Result<Option<AccessToken>> {
        match self.renewals.advice(&refused) {
            Advice::GiveUp => Ok(None),
            Advice::Use(token) => Ok(Some(token)),
            Advice::Renew => {
                let token = by(deadline, self.source.token(Some(&refused))).await?;
                let another = (token != refused).then(|| token.clone());
                self.renewals.record(refused, token);
                Ok(another)
            }
        }
    }
}

impl<'a, C: Carrier> Call<'a, C> {
    fn of(authorizer: &'a Authorizer, carrier: &'a mut C, request: &mut Request, span: Span) -> Self {
        let deadline = request.timeout().and_then(|timeout| Instant::now().checked_add(*timeout));
        Self { authorizer, carrier, repeat: Repeat::of(request), deadline, asked: None, is_retried: false, span }
    }

    /// The protocol: allowed origin? → token → header → reqwest → verdict on the status → at most one more try.
    async fn authorized(&mut self, request: Request) -> Result<C::Answer> {
        self.authorizer.origins.check(request.url())?;
        let token = self.authorizer.token(self.deadline).await?;
        if token.dpop_key().is_some() && request.headers().contains_key(dpop::HEADER) {
            return Err(Error::configuration(
                "the request has the header `DPoP` already; leave it out, since this client puts the proof there",
            ));
        }
        if !self.authorizer.presentation.suits(&token) {
            return Err(Error::configuration(
                "a token that is bound to a key is shown as DPoP and as nothing else; leave the scheme out",
            ));
        }
        let answer = self.exchange(request, &token).await?;
        if !is_token_refused(&answer)? || self.is_retried {
            return Ok(answer);
        }
        let Some(token) = self.authorizer.another_token(token, self.deadline).await? else { return Ok(answer) };
        let Some(request) = self.again(&answer) else { return Ok(answer) };
        self.is_retried = true;
        // Where requests are few on a connection, its place is the one that the next request waits for.
        drop(answer);
        let answer = self.exchange(request, &token).await?;
        is_token_refused(&answer)?;
        Ok(answer)
    }

    /// One request with this token; or two, when its proof was refused for want of a nonce that the API has named then.
    async fn exchange(&mut self, request: Request, token: &AccessToken) -> Result<C::Answer> {
        let mut proofs = token.proofs();
        let answer = self.send(request, token, &proofs).await?;
        let asks_for_nonce = || answer.status() == StatusCode::UNAUTHORIZED && Challenge::asks_for_nonce(answer.headers());
        if !proofs.must_repeat(answer.url(), answer.headers(), asks_for_nonce) {
            return Ok(answer);
        }
        let Some(request) = self.again(&answer) else { return Ok(answer) };
        // As after a refused token.
        drop(answer);
        let answer = self.send(request, token, &proofs).await?;
        proofs.must_repeat(answer.url(), answer.headers(), || false);
        Ok(answer)
    }

    async fn send(&mut self, mut request: Request, token: &AccessToken, proofs: &Proofs<'_>) -> Result<C::Answer> {
        self.authorizer.presentation.put(token, request.headers_mut());
        proofs.put(&mut request)?;
        if let Some(deadline) = self.deadline {
            *request.timeout_mut() = Some(deadline.saturating_duration_since(Instant::now()));
        }
        self.asked = self.carrier.may_follow_redirects().then(|| without_fragment(request.url()));
        let answer = self.carrier.carry(request).await?;
        self.span.answered(1 + u32::from(self.is_retried), answer.status());
        if !same_origin(self.asked(&answer), answer.url()) {
            return Err(Error::forbidden(
                "the HTTP client followed a redirect to another origin, where the token may have gone along; \
                 let it follow none, by AuthorizedClient::redirect_policy()",
            ));
        }
        Ok(answer)
    }

    fn asked<'b>(&'b self, answer: &'b C::Answer) -> &'b Url {
        self.asked.as_ref().unwrap_or_else(|| answer.url())
    }

    /// The request once more, if it can be sent again. After a redirect that the carrier followed, the request may have been done,
    /// and the refusal belongs to another request.
    fn again(&self, answer: &C::Answer) -> Option<Request> {
        let asked = self.asked(answer);
        let is_its_answer = asked == answer.url() || self.repeat.method.is_safe();
        if is_its_answer { self.repeat.request(asked.clone()) } else { None }
    }

    fn redirected(&mut self, answer: &C::Answer) -> Option<Request> {
        if self.asked(answer) != answer.url() {
            // The carrier has followed some already, and with which method nobody knows.
            return None;
        }
        redirect::next(answer.status(), answer.headers(), answer.url(), &mut self.repeat, &self.authorizer.origins)
    }
}

impl Answer for Response {
    fn status(&self) -> StatusCode {
        self.status()
    }

    fn headers(&self) -> &HeaderMap {
        self.headers()
    }

    fn url(&self) -> &Url {
        self.url()
    }
}

async fn by(deadline: Option<Instant>, token: impl Future<Output = Result<AccessToken>> + Send) -> Result<AccessToken> {
    let Some(deadline) = deadline else { return token.await };
    tokio::time::timeout_at(deadline, token).await.unwrap_or_else(|_| {
        Err(Error::new(
            ErrorKind::TimedOut,
            "no access token was there within the request's timeout; allow more time, or try again",
        )
        .transient())
    })
}

/// RFC 9110, section 7.2: `Host` says whose the request is. Where several share an address, a token would go to another one
/// than the URL's, as when a program hands the headers of a request it got on.
fn check_host(request: &Request) -> Result<()> {
    let own = &request.url()[Position::BeforeHost..Position::AfterPort];
    let mut named = request.headers().get_all(HOST).iter();
    if named.all(|host| host.as_bytes().eq_ignore_ascii_case(own.as_bytes())) {
        return Ok(());
    }
    Err(Error::forbidden("no token goes to another `Host` than the URL's; leave the header out of the request"))
}

/// As a response's URL is: a fragment is never sent.
fn without_fragment(url: &Url) -> Url {
    let mut url = url.clone();
    url.set_fragment(None);
    url
}

/// Returns whether another token may help (RFC 6750, section 3.1). A demand for another login is an error (RFC 9470).
fn is_token_refused(answer: &impl Answer) -> Result<bool> {
    let status = answer.status();
    if status != StatusCode::UNAUTHORIZED && status != StatusCode::FORBIDDEN {
        return Ok(false);
    }
    let challenges = Challenge::all(answer.headers());
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
