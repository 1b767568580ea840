//! A server that gives prepared answers and remembers what it was asked.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{
    Router,
    body::to_bytes,
    extract::{Request, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    serve::ListenerExt as _,
};
use tokio::{net::TcpListener, task::JoinSet};

/// A prepared answer.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    Sent {
        status: u16,
        headers: Vec<(&'static str, String)>,
        body: String,
    },
    /// No answer, and the connection stays open.
    Silence,
}

impl Answer {
    pub(super) fn json(body: &str) -> Self {
        Self::status(200, body)
    }

    pub(super) fn status(status: u16, body: &str) -> Self {
        Self::Sent {
            status,
            headers: Vec::new(),
            body: body.to_owned(),
        }
    }

    pub(super) fn header(mut self, name: &'static str, value: &str) -> Self {
        if let Self::Sent { headers, .. } = &mut self {
            headers.push((name, value.to_owned()));
        }
        self
    }
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    /// Method, path and query.
    pub(super) line: String,
    headers: HeaderMap,
    pub(super) body: String,
}

impl Asked {
    /// Empty when it is missing.
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }
}

#[derive(Default)]
struct Shared {
    answers: Mutex<VecDeque<Answer>>,
    asked: Mutex<Vec<Asked>>,
    connections: AtomicUsize,
}

/// Stops when dropped.
pub(super) struct Fake {
    pub(super) base: String,
    shared: Arc<Shared>,
    _server: JoinSet<()>,
}

impl Fake {
    pub(super) async fn start(answers: impl IntoIterator<Item = Answer>) -> Self {
        let shared = Arc::new(Shared {
            answers: Mutex::new(answers.into_iter().collect()),
            ..Shared::default()
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}/", listener.local_addr().unwrap());
        let counted = Arc::clone(&shared);
        let listener = listener.tap_io(move |_| {
            counted.connections.fetch_add(1, Ordering::SeqCst);
        });
        let router = Router::new()
            .fallback(answer)
            .with_state(Arc::clone(&shared));
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            base,
            shared,
            _server: server,
        }
    }

    pub(super) fn requests(&self) -> Vec<Asked> {
        self.shared.asked.lock().unwrap().clone()
    }

    pub(super) fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    shared.asked.lock().unwrap().push(Asked {
        line: format!("{} {}", parts.method, parts.uri),
        headers: parts.headers,
        body: String::from_utf8(body.to_vec()).unwrap(),
    });
    let next = shared.answers.lock().unwrap().pop_front();
    match next {
        Some(Answer::Sent {
            status,
            headers,
            body,
        }) => {
            let mut response = (StatusCode::from_u16(status).unwrap(), body).into_response();
            for (name, value) in headers {
                response.headers_mut().insert(name, value.parse().unwrap());
            }
            response
        }
        Some(Answer::Silence) => std::future::pending().await,
        None => (StatusCode::NOT_IMPLEMENTED, "no answer is left").into_response(),
    }
}
