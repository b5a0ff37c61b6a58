use std::sync::{Arc, OnceLock};

use reqwest::{Client, Request, Response};

use super::authorize::{Authorizer, Carrier};
use super::clients::Clients;
use super::debug_text::has_default_header;
use crate::error::{Error, Result};
use crate::worker;

/// Sends requests with a token through reqwest.
#[derive(Clone)]
pub(super) struct Caller {
    pub(super) authorizer: Authorizer,
    clients: Arc<Clients>,
    /// The client's default headers do not set the token's header; looked up once.
    pub(super) header_is_free: OnceLock<bool>,
}

impl Caller {
    pub(super) fn new(authorizer: Authorizer, clients: Clients) -> Self {
        Self { authorizer, clients: Arc::new(clients), header_is_free: OnceLock::new() }
    }

    pub(super) fn client(&self) -> Result<&Client> {
        self.clients.main(&self.authorizer.origins)
    }

    pub(super) async fn call(&self, request: Request) -> Result<Response> {
        self.clients.check_redirects()?;
        self.check_default_headers()?;
        self.authorizer.call(&mut &*self, request).await
    }

    /// Two answers to who is calling are one too many.
    fn check_default_headers(&self) -> Result<()> {
        let header = self.authorizer.presentation.header();
        let client = self.client()?;
        if *self.header_is_free.get_or_init(|| !has_default_header(client, header)) {
            return Ok(());
        }
        Err(Error::configuration(format!(
            "the HTTP client's default headers hold `{header}`; leave it out, since this client puts the token there"
        )))
    }
}

impl Carrier for &Caller {
    type Answer = Response;

    fn may_follow_redirects(&self) -> bool {
        self.clients.may_follow_redirects()
    }

    async fn carry(&mut self, request: Request) -> Result<Response> {
        worker::require_runtime()?;
        let client = self.clients.for_url(request.url(), &self.authorizer.origins)?;
        client.execute(request).await.map_err(|error| Error::network("the call to the API", error))
    }
}
