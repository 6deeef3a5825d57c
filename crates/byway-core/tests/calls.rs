//! Rules that call a table: a map is looked up by a text, the walk comes back behind the call, and what decides inside decides.

mod support;

use byway_core::condition::{Condition, Subject, Test};
use byway_core::dialect::{NGINX_MAP, NGINX_RETURN, QueryPolicy};
use byway_core::rule::Then;
use byway_core::ruleset::{After, Order, TableId, TableSpec};
use byway_core::source::{PathPattern, Source};
use byway_core::status::{RedirectStatus, StatusByMethod};
use byway_core::target::{Landing, Part, Piece, Target, What};
use byway_core::{Action, Builder, Rule, RuleSet};
use support::Asked;

fn piece(what: What<'static>) -> Target<'static> {
    Target::of_pieces(vec![Piece { place: Landing::Path, what }])
}

fn text(text: &'static str) -> Target<'static> {
    piece(What::Literal(text.into()))
}

fn any() -> Source<'static> {
    Source::of_path(PathPattern::BytePrefix { prefix: b"".as_slice().into(), is_final: false })
}

fn exact(path: &'static str) -> Source<'static> {
    Source::of_path(PathPattern::Exact(path.as_bytes().into()))
}

fn to(target: Target<'static>) -> Action<'static> {
    let status = StatusByMethod::always(RedirectStatus::TemporaryRedirect);
    Action::Redirect { status, target, query: QueryPolicy::Drop }
}

fn table(builder: &mut Builder, dialect: &'static byway_core::dialect::Dialect, order: Order) -> TableId {
    builder.table(&TableSpec { dialect, order, after: After::NextRoot, strip: b"" })
}

fn rules() -> RuleSet {
    let mut builder = Builder::new(1);
    let root = table(&mut builder, &NGINX_RETURN, Order::Listed);
    let body = table(&mut builder, &NGINX_RETURN, Order::Listed);
    let keys = table(&mut builder, &NGINX_MAP, Order::Specific);
    let rest = table(&mut builder, &NGINX_MAP, Order::Listed);
    builder.root(root);
    builder.set_after(keys, After::Table(rest));
    let mut push = |table, source, conditions: &[Condition], action| {
        builder.push(table, &Rule { conditions, ..Rule::new(source, action) }).expect("a rule");
    };
    let subject = Subject::Text(vec![Piece { place: Landing::Path, what: What::Part(Part::Method) }]);
    let posts = [Condition::new(subject, Test::Is("POST".into()), false).expect("a condition")];
    let asked = piece(What::Part(Part::PathAndQuery));
    push(root, any(), &[], Action::Call { table: keys, text: Some(asked) });
    push(root, any(), &posts, Action::Call { table: body, text: None });
    push(root, any(), &[], to(piece(What::Slot(700))));
    push(body, exact("/a"), &[], to(text("/posted")));
    let keep = |value| Action::Set { slot: 700, text: text(value), then: Then::End };
    push(keys, exact("/a?x=1"), &[], keep("/with-query"));
    push(keys, exact("/a"), &[], keep("/without"));
    push(rest, any(), &[], keep("/default"));
    builder.finish()
}

#[test]
fn a_call_comes_back_unless_something_decides() {
    let rules = rules();
    for (asked, answer) in [
        ("GET http://t.test/a", "307 http://t.test/without"),
        ("GET http://t.test/a?x=1", "307 http://t.test/with-query"),
        ("GET http://t.test/%61", "307 http://t.test/default"),
        ("POST http://t.test/%61", "307 http://t.test/posted"),
        ("POST http://t.test/b", "307 http://t.test/default"),
    ] {
        let got =
            Asked::parse(asked).decided(&rules, |decision| support::outcome(&decision.expect("a target").outcome));
        assert_eq!(got, answer, "{asked}");
    }
    let again = RuleSet::open(rules.as_bytes().to_vec()).expect("it opens");
    assert_eq!(again.rules().count(), rules.rules().count());
    assert!(again.rules().zip(rules.rules()).all(|(one, other)| one.action() == other.action()));
}

#[test]
fn calls_in_a_circle_end() {
    let mut builder = Builder::new(1);
    let root = table(&mut builder, &NGINX_RETURN, Order::Listed);
    builder.root(root);
    assert!(builder.push(root, &Rule::new(any(), Action::Call { table: TableId(7), text: None })).is_err());
    for text in [None, Some(text("x"))] {
        builder.push(root, &Rule::new(any(), Action::Call { table: root, text })).expect("a rule");
    }
    let rules = builder.finish();
    let got = Asked::parse("GET http://t.test/a")
        .decided(&rules, |decision| support::outcome(&decision.expect("a target").outcome));
    assert_eq!(got, "refuse 500");
}
