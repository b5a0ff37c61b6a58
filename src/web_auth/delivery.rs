use std::time::Duration;

use url::Url;

use crate::application::Application;
use crate::client_auth::PrivateKey;
use crate::error::Result;
use crate::form::Form;
use crate::provider::Metadata;
use crate::web_auth::authorize_url::{AuthorizeUrl, AuthorizeUrls};
use crate::web_auth::pushed::push;
use crate::web_auth::request::{AuthorizationRequest, Value, Written};
use crate::web_auth::request_object::{LIFE, request_object};

/// The way in which the provider gets the authorization request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Delivery {
    pub(crate) way: Way,
    /// The key that signs the request.
    pub(crate) key: Option<PrivateKey>,
    pub(crate) urls: AuthorizeUrls,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Way {
    /// By the browser, unless the provider's metadata or FAPI 2.0 requires the other.
    #[default]
    Browser,
    /// Beforehand.
    Pushed,
}

/// A request on its way.
pub(crate) struct Delivered {
    /// The URL for the person's browser.
    pub(crate) url: Url,
    /// For how long it is good, where that is shorter than the login.
    pub(crate) url_life: Option<Duration>,
}

impl Delivery {
    pub(crate) async fn deliver(
        &self,
        application: &Application,
        metadata: &Metadata,
        request: &AuthorizationRequest<'_>,
    ) -> Result<Delivered> {
        let signed = match &self.key {
            Some(key) => Some(request_object(request, key, metadata, application.time().now())?),
            None => None,
        };
        let signed = signed.as_ref().map(|signed| signed.as_str());
        if self.way == Way::Pushed || metadata.requires_pushed_requests || application.is_fapi2() {
            let mut form = Form::default();
            write(request, signed, &mut form);
            let hidden: [&str; 2] = [&request.secrets.state(), &request.secrets.nonce()];
            // With the key of this very login, if it has one.
            let application = application.bound_to(request.secrets.dpop_key.as_ref());
            let pushed = push(&application, metadata, form, &hidden).await?;
            return Ok(Delivered { url: pushed.url, url_life: Some(pushed.life) });
        }
        let url = match signed {
            None => self.urls.url(metadata, request)?,
            Some(_) => AuthorizeUrl::new(metadata)?.with(|url| {
                // OpenID Connect Core 1.0, section 6.1: these "MUST always be passed using the OAuth 2.0 request syntax", too.
                url.put("response_type", Value::Text("code"));
                if request.parameters.ask_for_identity() {
                    url.put("scope", Value::Text("openid"));
                }
                write(request, signed, url);
            }),
        };
        Ok(Delivered { url, url_life: signed.map(|_| LIFE) })
    }
}

/// RFC 9101, section 5: "client_id" and the request object, which holds all the rest. "The client MAY send the parameters included in
/// the Request Object duplicated in the query parameters": it does only where OpenID Connect wants it.
fn write(request: &AuthorizationRequest<'_>, signed: Option<&str>, to: &mut impl Written) {
    match signed {
        None => request.write(to),
        Some(signed) => {
            to.put("client_id", Value::Text(request.client_id));
            to.put("request", Value::Text(signed));
        }
    }
}
