//! When there is no answer, or half of one.

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use super::{
    Account, Answer, Duration, Fake, NOW, ObjectType, Stripe as _, StripeError, account, client,
    operation, with,
};

const GOOD: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
const HALF: &str = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{}";

/// Answers each connection with its texts, one for each request, and closes it without a word at the next request.
async fn scripted(connections: &'static [&'static [&'static str]]) -> (String, JoinSet<usize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}/", listener.local_addr().unwrap());
    let mut server = JoinSet::new();
    server.spawn(async move {
        let mut asked = 0;
        for texts in connections {
            let (mut stream, _) = listener.accept().await.unwrap();
            for text in *texts {
                asked += usize::from(heard(&mut stream).await);
                stream.write_all(text.as_bytes()).await.unwrap();
            }
            if texts.last() != Some(&HALF) {
                asked += usize::from(heard(&mut stream).await);
            }
        }
        asked
    });
    (base, server)
}

/// Whether a request came before the end.
async fn heard(stream: &mut TcpStream) -> bool {
    stream.read(&mut [0; 4096]).await.unwrap() > 0
}

async fn read(client: &super::StripeClient) -> Result<super::Timestamp, StripeError> {
    let read = client.retrieve("default", ObjectType::Price, "price_1");
    read.await.map(|fetched| fetched.as_of)
}

#[tokio::test]
async fn a_read_on_a_connection_that_was_closed_is_sent_again() {
    let (base, mut server) = scripted(&[&[GOOD], &[GOOD]]).await;
    let client = client(&base);
    // No Date header: our own time stands in.
    assert!(read(&client).await.unwrap() < NOW);
    assert!(read(&client).await.unwrap() < NOW);
    drop(client);
    assert_eq!(server.join_next().await.unwrap().unwrap(), 3);
}

#[tokio::test]
async fn a_read_is_sent_twice_at_the_most() {
    let (base, mut server) = scripted(&[&[], &[HALF], &[GOOD]]).await;
    let client = client(&base);
    let error = read(&client).await.unwrap_err();
    assert!(matches!(&error, StripeError::Unavailable(why) if why.contains("HTTP 200")));
    assert!(read(&client).await.is_ok());
    drop(client);
    assert_eq!(server.join_next().await.unwrap().unwrap(), 3);
}

#[tokio::test]
async fn a_write_on_a_connection_that_was_closed_is_left_to_the_job() {
    // The second connection would answer, if it were asked.
    let (base, _server) = scripted(&[&[GOOD], &[GOOD]]).await;
    let client = client(&base);
    client.perform("default", &operation(false)).await.unwrap();
    let error = client.perform("default", &operation(false)).await;
    assert!(matches!(error, Err(StripeError::Unavailable(_))));
}

#[tokio::test]
async fn silence_ends_with_the_timeout() {
    let fake = Fake::start([Answer::Silence, Answer::Silence]).await;
    let client = with(&Account {
        timeout: Duration::from_millis(400),
        ..account(&fake.base)
    });
    let StripeError::Unavailable(why) = read(&client).await.unwrap_err() else {
        panic!("unavailable")
    };
    assert_eq!(why, "no answer within 400ms");
    assert!(client.perform("default", &operation(true)).await.is_err());
    assert_eq!(fake.requests().len(), 2);
}

#[tokio::test]
async fn nobody_there_is_unavailable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    let error = read(&client(&base)).await.unwrap_err().to_string();
    assert!(error.contains("refused"), "{error}");
    assert!(!error.contains("price_1"), "{error}");
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let fake = Fake::start([Answer::status(302, "").header("location", "/v1/elsewhere")]).await;
    let error = read(&client(&fake.base)).await.unwrap_err();
    assert!(matches!(&error, StripeError::Unavailable(why) if why.contains("302")));
    assert_eq!(fake.requests().len(), 1);
}
