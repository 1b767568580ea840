//! `DELETE /v1/members/{id}`

use axum::{Extension, extract::State, http::StatusCode};

use super::write::{Write, write};
use crate::api::{Answer, ApiState, Caller, IfMatch, NoQuery, Once, Path, activity::Told};

/// Delete a member
///
/// She may use nothing any more, her address is free for another member, and lists leave her out unless they are asked
/// for deleted ones. Everything else stays, at Stripe too, and she can be restored. Doing it twice changes nothing.
#[utoipa::path(delete, path = "/v1/members/{id}", tag = "members", operation_id = "delete_member",
    params(("id" = String, Path, description = "Her id, or `ext:<provider>:<id>`.", example = "ext:stripe:cus_123"),
        IfMatch),
    responses((status = 204, description = "She is deleted.")))]
pub(super) async fn delete(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<String>,
    _: NoQuery,
    expected: IfMatch,
) -> Answer<(StatusCode, Extension<Told>)> {
    let once = Once::without_key();
    let kept = write(&state, &caller, &id, &expected, Write::Delete, &once).await?;
    // Nothing of her is shown, but whom the path has named by a key of another system stands in the activity log.
    Ok((StatusCode::NO_CONTENT, Extension(kept.told())))
}
