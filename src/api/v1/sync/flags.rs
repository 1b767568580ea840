//! `GET /v1/sync/flags`

use axum::extract::State;
use memberd_jobs::sync::store::flags::{self, Flag, FlagKind};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::api::{Answer, ApiState, Caller, Closed, Cursor, Json, Limit, List, Page, Query, Word};

/// Which sort of flag.
pub(super) type FlagWord = Word<FlagKind>;

impl Closed for FlagKind {
    const NAME: &'static str = "FlagKind";
    const ABOUT: &'static str = "`several_subscriptions`: two or more of one member run at once. \
        `paid_without_access`: the present period is paid, and the subscription gives no access. \
        `access_without_payment`: it gives access, and its last invoice was tried and is not paid; the grace of \
        `past_due` is none. `foreign_product`: it contains a product that the mirror does not have.";
    const ALL: &'static [Self] = &Self::ALL;

    fn word(self) -> &'static str {
        self.as_str()
    }
}

/// A subscription that people should look at.
#[derive(Serialize, ToSchema)]
pub(super) struct FlaggedSubscription {
    /// Why.
    kind: FlagWord,
    /// The subscription.
    #[schema(example = "sub_123")]
    subscription_id: String,
    /// Its customer.
    #[schema(example = "cus_123")]
    customer_id: String,
    /// The member behind it, once it is linked.
    member_id: Option<String>,
    /// Stripe's status of the subscription.
    #[schema(example = "active")]
    status: String,
    /// The product that is not known, or the invoice that decided.
    #[schema(example = "in_123")]
    about: Option<String>,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Filters {
    /// Which sort.
    #[param(inline)]
    kind: FlagWord,
    /// Rows of the page.
    #[param(inline)]
    #[serde(default)]
    limit: Limit,
    /// `next_cursor` of the page before.
    #[param(inline)]
    cursor: Option<Cursor>,
}

/// List subscriptions that people should look at
///
/// Members who pay twice, who pay and may not come in, who come in and do not pay, and products that are not known.
/// Nothing is done about them. It is worked out anew for each request.
#[utoipa::path(get, path = "/v1/sync/flags", tag = "sync", operation_id = "list_flags", params(Filters),
    responses((status = 200, description = "A page of subscriptions.", body = Page<FlaggedSubscription>)))]
pub(super) async fn list(
    State(state): State<ApiState>,
    caller: Caller,
    Query(filters): Query<Filters>,
) -> Answer<Json<Page<FlaggedSubscription>>> {
    let (db, organization) = (&state.env.db, &caller.organization);
    let list = List {
        name: "flags",
        organization,
    };
    let before = list.position(filters.cursor.as_ref())?;
    let Word(kind) = filters.kind;
    let fetch = filters.limit.fetch();
    let now = state.env.now();
    let rows = flags::flags(db, organization, kind, now, before.as_deref(), fetch).await?;
    let page = list.page(
        rows,
        filters.limit,
        |row| row.subscription_id.clone(),
        |row| show(kind, row),
    );
    Ok(Json(page))
}

fn show(kind: FlagKind, row: Flag) -> FlaggedSubscription {
    FlaggedSubscription {
        kind: Word(kind),
        subscription_id: row.subscription_id,
        customer_id: row.customer_id,
        member_id: row.member_id,
        status: row.status,
        about: row.about,
    }
}
