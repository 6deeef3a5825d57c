//! An axum application behind redirects: `/api/v1/*` goes to `/api/v2/*` for now, method and body kept.
//!
//! Try `curl -iL -d hello http://127.0.0.1:3000/api/v1/echo`.

use std::time::{SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::routing::post;
use byway_core::dialect::QueryPolicy;
use byway_core::ruleset::TableSpec;
use byway_core::source::Source;
use byway_core::status::{RedirectStatus, StatusByMethod};
use byway_core::target::Target;
use byway_core::{Action, Builder, Rule, RuleSet};
use byway_tower::RedirectLayer;

fn rules() -> Result<RuleSet, Box<dyn std::error::Error>> {
    let mut builder = Builder::new(1);
    let table = builder.table(&TableSpec::OWN);
    builder.root(table);
    let source = Source::parse("/api/v1/*").map_err(|wrong| wrong.what)?;
    let target = Target::parse("/api/v2/*", &source).map_err(|wrong| wrong.what)?;
    let status = StatusByMethod::always(RedirectStatus::TemporaryRedirect);
    let rule = Rule::new(source, Action::Redirect { status, target, query: QueryPolicy::Keep });
    builder.push(table, &rule).map_err(|wrong| wrong.what)?;
    Ok(builder.finish())
}

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let redirects = RedirectLayer::new(rules()?, now)?;
    let app = Router::new().route("/api/v2/echo", post(async |body: String| body)).layer(redirects);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    eprintln!("listening on http://{}", listener.local_addr()?);
    Ok(axum::serve(listener, app).await?)
}
