//! A wire between daemon and PostgreSQL that can be cut.

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::port::Port;

/// The wire. While it is cut, connections break and new ones are refused, as with a server that is down.
#[derive(Debug)]
pub(crate) struct Wire {
    port: Port,
    server: String,
    tasks: TaskTracker,
    cut: CancellationToken,
}

impl Wire {
    /// A wire to `server` (`host:port`).
    pub(crate) async fn to(server: &str) -> Self {
        let mut wire = Self {
            port: Port::reserve(),
            server: server.to_owned(),
            tasks: TaskTracker::new(),
            cut: CancellationToken::new(),
        };
        wire.mend().await;
        wire
    }

    /// The near end, `host:port`.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port.number)
    }

    /// Breaks every connection and takes no new one; over when it returns.
    pub(crate) async fn cut(&self) {
        self.cut.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Works again.
    pub(crate) async fn mend(&mut self) {
        self.cut = CancellationToken::new();
        self.tasks = TaskTracker::new();
        let listener = TcpListener::bind(self.address()).await.unwrap();
        let (server, tasks, cut) = (self.server.clone(), self.tasks.clone(), self.cut.clone());
        self.tasks.spawn(async move {
            while let Some(Ok((near, _))) = cut.run_until_cancelled(listener.accept()).await {
                let (server, cut) = (server.clone(), cut.clone());
                tasks.spawn(cut.run_until_cancelled_owned(carry(near, server)));
            }
        });
    }
}

async fn carry(mut near: TcpStream, server: String) {
    if let Ok(mut far) = TcpStream::connect(server).await {
        // How a connection ends is the matter of its ends.
        let _ = copy_bidirectional(&mut near, &mut far).await;
    }
}
