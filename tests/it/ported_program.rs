//! A program written for reqwest, in which the line that makes the client changed and no other.

use std::collections::HashMap;
use std::error::Error;
use std::time::Duration;

use hallpass::AuthorizedClient;
use reqwest::StatusCode;
use reqwest::multipart::{Form, Part};
use serde::{Deserialize, Serialize};

use crate::counted_source::CountedSource;
use crate::scripted_api::{ScriptedApi, Seen, answer};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

#[derive(Debug, Serialize, Deserialize, PartialEq)]
struct Message {
    id: u32,
    text: String,
}

struct Messages {
    http: AuthorizedClient, // was: reqwest::Client
    root: String,
}

impl Messages {
    fn url(&self, path: &str) -> String {
        format!("{}/messages{path}", self.root)
    }

    async fn list(&self, limit: u32) -> Result<Vec<Message>> {
        let response = self
            .http
            .get(self.url(""))
            .query(&[("limit", limit.to_string().as_str()), ("sort", "new & old")])
            .header("accept", "application/json")
            .timeout(Duration::from_secs(10))
            .send()
            .await?
            .error_for_status()?;
        Ok(response.json().await?)
    }

    async fn post(&self, message: &Message) -> Result<Message> {
        let response = self.http.post(self.url("")).json(message).send().await?;
        Ok(response.error_for_status()?.json::<Message>().await?)
    }

    async fn rename(&self, id: u32, fields: &HashMap<&str, &str>) -> Result<bool> {
        let request = self.http.patch(self.url(&format!("/{id}"))).form(fields).build()?;
        Ok(self.http.execute(request).await?.status().is_success())
    }

    async fn exists(&self, id: u32) -> Result<bool> {
        let response = self.http.head(self.url(&format!("/{id}"))).send().await?;
        match response.status() {
            StatusCode::NOT_FOUND => Ok(false),
            _ => Ok(response.error_for_status().map(|_| true)?),
        }
    }

    /// The API has moved it, and says where it is.
    async fn archived(&self, id: u32) -> Result<(String, Message)> {
        let response = self.http.get(self.url(&format!("/{id}/archived"))).send().await?.error_for_status()?;
        let path = response.url().path().to_owned();
        Ok((path, response.json().await?))
    }

    async fn attach(&self, id: u32, name: &str, content: Vec<u8>) -> Result<String> {
        let part = Part::bytes(content).file_name(name.to_owned()).mime_str("image/png")?;
        let form = Form::new().text("caption", "a picture").part("file", part);
        let response = self.http.put(self.url(&format!("/{id}/attachment"))).multipart(form).send().await?;
        Ok(response.error_for_status()?.text().await?)
    }

    /// None when the API is too slow to be waited for.
    async fn count(&self, patience: Duration) -> Result<Option<u32>> {
        let response = match self.http.get(self.url("/count")).timeout(patience).send().await {
            Ok(response) => response.error_for_status()?,
            Err(error) if error.is_timeout() => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        Ok(Some(response.text().await?.parse()?))
    }

    async fn remove(&self, id: u32) -> Result<StatusCode> {
        let request = self.http.delete(self.url(&format!("/{id}")));
        let again = request.try_clone().ok_or("a request without a body can be sent again")?;
        request.send().await?.error_for_status()?;
        Ok(again.send().await?.status())
    }
}

fn api(seen: &Seen) -> String {
    match (seen.method.as_str(), seen.target.as_str()) {
        ("GET", "/messages?limit=2&sort=new+%26+old") => answer(200, &[], r#"[{"id":1,"text":"hello"}]"#),
        ("POST", "/messages") => answer(201, &[], std::str::from_utf8(&seen.body).unwrap()),
        ("PATCH", "/messages/1") if seen.body == b"text=a+b" => answer(204, &[], ""),
        ("HEAD", "/messages/1") => answer(200, &[], ""),
        ("GET", "/messages/1/archived") => answer(302, &["Location: ../../archive/1?from=messages"], ""),
        ("GET", "/archive/1?from=messages") => answer(200, &[], r#"{"id":1,"text":"old"}"#),
        ("PUT", "/messages/1/attachment") => {
            let body = String::from_utf8_lossy(&seen.body);
            let whole = ["name=\"caption\"", "a picture", "filename=\"cat.png\"", "image/png", "meow"];
            let is_form = seen.header("content-type").is_some_and(|value| value.starts_with("multipart/form-data; boundary="));
            let missing: Vec<&str> = whole.into_iter().filter(|part| !body.contains(part)).collect();
            if is_form && missing.is_empty() { answer(200, &[], "attached") } else { answer(400, &[], &missing.join(", ")) }
        }
        // It never comes to an end.
        ("GET", "/messages/count") => "HTTP/1.1 200 OK\r\n".to_owned(),
        ("DELETE", "/messages/1") => answer(204, &[], ""),
        _ => answer(404, &[], ""),
    }
}

#[tokio::test]
async fn a_program_for_reqwest_works_with_one_type_changed() -> Result<()> {
    let api = ScriptedApi::start(api).await;
    let messages = Messages { http: AuthorizedClient::new(CountedSource::default())?, root: api.origin() };
    assert_eq!(messages.list(2).await?, [Message { id: 1, text: "hello".to_owned() }]);
    assert!(messages.list(3).await.is_err_and(|error| error.is::<reqwest::Error>()));
    let sent = Message { id: 2, text: "höhö".to_owned() };
    assert_eq!(messages.post(&sent).await?, sent);
    assert!(messages.rename(1, &HashMap::from([("text", "a b")])).await?);
    assert_eq!((messages.exists(1).await?, messages.exists(2).await?), (true, false));
    assert_eq!(messages.archived(1).await?, ("/archive/1".to_owned(), Message { id: 1, text: "old".to_owned() }));
    assert_eq!(messages.attach(1, "cat.png", b"meow".to_vec()).await?, "attached");
    assert_eq!(messages.count(Duration::from_millis(50)).await?, None);
    assert_eq!(messages.remove(1).await?, StatusCode::NO_CONTENT);
    let seen = api.seen();
    assert_eq!(seen.len(), 12);
    assert!(seen.iter().all(|seen| seen.authorization() == Some("Bearer token-0")));
    Ok(())
}
