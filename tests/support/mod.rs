//! What black-box tests need: the real daemon as a process ([`Daemon`]) and the world around it ([`World`]).
//!
//! The daemon is the binary that was built for this test run. The sandbox (the fake Stripe) runs in the test's process,
//! so that a killed daemon takes nothing with it. Databases come from `memberd_jobs::testing`.

pub(crate) mod daemon;
pub(crate) mod http;
pub(crate) mod mirror;
pub(crate) mod port;
pub(crate) mod proxy;
pub(crate) mod receiver;
pub(crate) mod scrape;
pub(crate) mod store;
pub(crate) mod token;
pub(crate) mod wait;
pub(crate) mod webhook;
pub(crate) mod world;

pub(crate) use daemon::{Daemon, Node};
pub(crate) use http::{Answer, id, ids};
pub(crate) use receiver::Receiver;
pub(crate) use wait::{let_pass, until, within};
pub(crate) use world::{CONNECTED_ACCOUNT, World};

/// A daemon without schedules, whose jobs a test would count.
pub(crate) async fn quiet_daemon(world: &World) -> Daemon {
    world.daemon_with(Node::default().roles("api,worker")).await
}

/// Makes each test run on SQLite and on PostgreSQL, as `name::sqlite` and `name::postgres`.
macro_rules! on_both {
    ($(async fn $name:ident($world:ident: World) $body:block)+) => {
        $(
            mod $name {
                use super::*;

                async fn test($world: World) $body

                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn sqlite() {
                    test(World::sqlite().await).await;
                }

                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn postgres() {
                    test(World::postgres().await).await;
                }
            }
        )+
    };
}
pub(crate) use on_both;
