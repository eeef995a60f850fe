//! The routes that move replicas and leaders.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::Response;
use http_body_util::{BodyExt, Limited};
use norikv_api::{ChangeReplicasBody, TransferBody};
use norikv_node::{Admin, Call};
use norikv_types::{ErrorKind, GroupId, NodeId};
use serde::de::DeserializeOwned;

use crate::query::Query;
use crate::{Service, reply};

/// `POST /admin/groups/{group}/replicas`.
pub(crate) async fn replicas<S: Service>(
    State(service): State<Arc<S>>,
    Path(group): Path<String>,
    request: Request,
) -> Response<Body> {
    let parsed = parse::<ChangeReplicasBody>(&group, request).await;
    let admin = parsed.map(|(group, body, patience)| {
        let nodes = |nodes: Vec<u64>| nodes.into_iter().map(NodeId).collect();
        let (add, remove) = (nodes(body.add), nodes(body.remove));
        (Admin::ChangeReplicas { group, add, remove }, patience)
    });
    carry_out(&*service, admin).await
}

/// `POST /admin/groups/{group}/leader`.
pub(crate) async fn leader<S: Service>(
    State(service): State<Arc<S>>,
    Path(group): Path<String>,
    request: Request,
) -> Response<Body> {
    let parsed = parse::<TransferBody>(&group, request).await;
    let admin = parsed.map(|(group, body, patience)| {
        let to = NodeId(body.node);
        (Admin::Transfer { group, to }, patience)
    });
    carry_out(&*service, admin).await
}

async fn carry_out<S: Service>(
    service: &S,
    admin: Result<(Admin, Duration), String>,
) -> Response<Body> {
    match admin {
        Ok((admin, patience)) => reply::of_result(service.call(Call::Admin(admin), patience).await),
        Err(why) => reply::refused(ErrorKind::Invalid, why),
    }
}

async fn parse<B: DeserializeOwned>(
    group: &str,
    request: Request,
) -> Result<(GroupId, B, Duration), String> {
    let number = group.parse::<u32>();
    let group = number.map_err(|_bad| format!("a group is a number, not {group:?}"))?;
    let (head, body) = request.into_parts();
    let query = Query::parse(head.uri.query(), &["timeout_ms"])?;
    let body = Limited::new(body, BODY_BYTES_MAX).collect().await;
    let body = body.map_err(|why| format!("the body did not arrive whole: {why}"))?;
    let body =
        serde_json::from_slice(&body.to_bytes()).map_err(|why| format!("the body: {why}"))?;
    Ok((GroupId(group), body, query.patience()))
}

/// Longest request body, bytes.
const BODY_BYTES_MAX: usize = 64 << 10;
