//! Increments and transactions.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::Response;
use norikv_api::{TransactionBody, path};
use norikv_node::Call;

use crate::http::{Refused, invalid, name, whole};
use crate::query::Query;
use crate::{Service, reply};

pub(crate) async fn increment<S: Service>(
    State(service): State<Arc<S>>,
    request: Request,
) -> Response<Body> {
    match increment_call(&request) {
        Ok((call, patience)) => reply::of_result(service.call(call, patience).await),
        Err(refused) => *refused,
    }
}

fn increment_call(request: &Request) -> Result<(Call, Duration), Refused> {
    let query = Query::parse(request.uri().query(), &["by", "timeout_ms"]).map_err(invalid)?;
    let key = request.uri().path().strip_prefix("/incr/");
    let call = Call::Increment {
        key: path::decode(key.unwrap_or_default()).map_err(invalid)?,
        by: query.by(),
        idempotency: name(request.headers()),
    };
    Ok((call, query.patience()))
}

pub(crate) async fn transact<S: Service>(
    State(service): State<Arc<S>>,
    request: Request,
) -> Response<Body> {
    match transaction_call(request).await {
        Ok((call, patience)) => reply::of_result(service.call(call, patience).await),
        Err(refused) => *refused,
    }
}

async fn transaction_call(request: Request) -> Result<(Call, Duration), Refused> {
    let (head, body) = request.into_parts();
    let query = Query::parse(head.uri.query(), &["timeout_ms"]).map_err(invalid)?;
    let body = whole(body).await?;
    let body: TransactionBody = serde_json::from_slice(&body)
        .map_err(|why| invalid(format!("the body is no transaction: {why}")))?;
    let call = Call::Transaction {
        transaction: body.into_transaction().map_err(invalid)?,
        idempotency: name(&head.headers),
    };
    Ok((call, query.patience()))
}
