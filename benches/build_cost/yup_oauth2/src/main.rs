//! It knows the endpoints beforehand, since this library has no discovery, and has no ID token. The call is another library's.
use std::env::args;
use std::future::{Future, pending};
use std::pin::Pin;
use std::process::exit;

use yup_oauth2::authenticator_delegate::InstalledFlowDelegate;
use yup_oauth2::{ApplicationSecret, InstalledFlowAuthenticator, InstalledFlowReturnMethod};

struct Shown;

impl InstalledFlowDelegate for Shown {
    fn present_user_url<'a>(&'a self, url: &'a str, _: bool) -> Pin<Box<dyn Future<Output = Result<String, String>> + Send + 'a>> {
        println!("{url}");
        std::thread::spawn(|| {
            if std::io::stdin().read_line(&mut String::new()).unwrap() == 0 {
                exit(0);
            }
        });
        Box::pin(async { pending().await })
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let [issuer, client_id, redirect_uri, _]: [String; 4] = args().skip(1).collect::<Vec<_>>().try_into().unwrap();
    let secret = ApplicationSecret {
        client_id,
        auth_uri: format!("{issuer}authorize"),
        token_uri: format!("{issuer}oauth/token"),
        redirect_uris: vec![redirect_uri],
        ..ApplicationSecret::default()
    };
    let builder = InstalledFlowAuthenticator::builder(secret, InstalledFlowReturnMethod::HTTPRedirect);
    let auth = builder.flow_delegate(Box::new(Shown)).build().await?;
    let token = auth.token(&["openid", "profile", "email"]).await?;
    println!("{}", token.token().is_some());
    Ok(())
}
