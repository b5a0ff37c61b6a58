use serde::Deserialize;
use serde::de::IgnoredAny;
use zeroize::Zeroizing;

use crate::application::Application;
use crate::error::Result;
#[cfg(feature = "loopback")]
use crate::jose::CompactJws;
use crate::json::{self, Text};
use crate::provider::{Metadata, Purpose};
use crate::web_auth::callback::{Callback, Value, refused};

/// The claims of a signed response (JARM, section 2.1) without its issuer, audience and expiry.
#[derive(Deserialize)]
struct Claims<'a> {
    #[serde(borrow)]
    iss: Text<'a>,
    #[serde(borrow, default)]
    code: Option<Text<'a>>,
    #[serde(borrow, default)]
    state: Option<Text<'a>>,
    #[serde(borrow, default)]
    error: Option<Text<'a>>,
    #[serde(borrow, default)]
    error_description: Option<Text<'a>>,
    #[serde(default)]
    access_token: Option<IgnoredAny>,
    #[serde(default)]
    id_token: Option<IgnoredAny>,
}

impl Callback {
    /// The same callback, as its signed response says it: what stands beside that is not looked at (JARM, section 2.4).
    pub(crate) async fn verified(self, application: &Application, metadata: &Metadata) -> Result<Self> {
        let Some(response) = &self.response else {
            return Err(refused("it is not signed, though a signed response was asked for"));
        };
        let parties = application.parties(metadata, Purpose::AuthorizationResponse);
        let jws = application.provider().verify(&response.text, &parties, &["exp"]).await?;
        Self::from_claims(&Zeroizing::new(jws.payload))
    }

    /// The claims of a signed response before its signature is verified: only to find the login that it answers.
    #[cfg(feature = "loopback")]
    pub(crate) fn unverified(&self) -> Option<Self> {
        let jws = CompactJws::parse(&self.response.as_ref()?.text, &["JWT"]).ok()?;
        Self::from_claims(&Zeroizing::new(jws.payload)).ok()
    }

    fn from_claims(payload: &[u8]) -> Result<Self> {
        let claims: Claims<'_> =
            json::object(payload).map_err(|error| refused("its response holds other claims than it should").with_source(error))?;
        if claims.access_token.is_some() || claims.id_token.is_some() {
            return Err(refused("it holds a token, which belongs to another kind of login"));
        }
        let value = |text: Option<Text<'_>>| match text {
            Some(text) if text.contains('\0') => Err(refused("a parameter holds a NUL")),
            text => Ok(text.map(|text| Value { text: Zeroizing::new(text.0.into_owned()), is_verbatim: true })),
        };
        Ok(Self {
            code: value(claims.code)?,
            state: value(claims.state)?,
            issuer: value(Some(claims.iss))?,
            error: value(claims.error)?,
            error_description: value(claims.error_description)?,
            response: None,
        })
    }
}
