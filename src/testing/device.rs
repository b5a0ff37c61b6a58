use std::time::Duration;

use bytes::Bytes;
use http::{Method, Response, StatusCode};
use serde_json::json;
use url::form_urlencoded;

use super::answer;
use super::grants::{Ask, Device, Ticket, Verdict, unguessable};
use super::pages;
use super::seen::SeenRequest;
use super::tenant::Tenant;
use crate::crypto;

impl Tenant {
    /// RFC 8628, section 3.1.
    pub(super) fn device_code(&self, request: &SeenRequest) -> Response<Bytes> {
        let client = match self.authenticate(request) {
            Ok(client) => client,
            Err(refusal) => return *refusal,
        };
        let (device_code, user_code) = (unguessable(), typeable());
        let device = Device {
            client_id: client.id.clone(),
            scope: request.field("scope").unwrap_or_default(),
            audience: request.field("audience").filter(|audience| !audience.is_empty()),
            user_code: user_code.clone(),
            expires_at: self.now().plus(LIFE),
            verdict: Verdict::Pending,
        };
        self.grants().devices.insert(device_code.clone(), device);
        let page = format!("{}activate", self.base);
        let query = form_urlencoded::Serializer::new(String::new()).append_pair("user_code", &user_code).finish();
        let body = json!({
            "device_code": device_code,
            "user_code": user_code,
            "verification_uri": page,
            "verification_uri_complete": format!("{page}?{query}"),
            "expires_in": LIFE.as_secs(),
            "interval": self.settings.device_interval.as_secs(),
        });
        answer::json(StatusCode::OK, &body)
    }

    /// RFC 8628, section 3.3: the page where a person types the code, or finds it typed already.
    pub(super) fn activate(&self, request: &SeenRequest) -> Response<Bytes> {
        if request.method() != Method::POST {
            return pages::activation(&request.parameter("user_code").unwrap_or_default(), None);
        }
        let typed = request.field("user_code").unwrap_or_default().trim().to_ascii_uppercase();
        let now = self.now();
        let waiting =
            |device: &&Device| device.user_code == typed && now < device.expires_at && matches!(device.verdict, Verdict::Pending);
        let Some(device) = self.grants().devices.values().find(waiting).cloned() else {
            return pages::activation(&typed, Some("No device waits with this code."));
        };
        let ask = Ask { client_id: device.client_id, scope: device.scope, audience: device.audience, ..Ask::default() };
        let person = self.session(request);
        let page = if person.is_some() { "u/consent" } else { "u/login" };
        self.lead_to(page, Ticket { ask, person, user_code: Some(device.user_code) })
    }
}

/// Eight consonants, so that no word comes out (RFC 8628, section 6.1).
fn typeable() -> String {
    let mut bytes = [0; 8];
    crypto::random(&mut bytes).expect("the operating system gives random bytes");
    let mut code: String = bytes.into_iter().map(|byte| char::from(CONSONANTS[usize::from(byte) % CONSONANTS.len()])).collect();
    code.insert(4, '-');
    code
}

const CONSONANTS: &[u8] = b"BCDFGHJKLMNPQRSTVWXZ";
const LIFE: Duration = Duration::from_secs(900);
