//! The walk along a chain without any network: ask it for the request, hand it the answer, until the chain is done.
//!
//! `trace` answers from the network, `check` from the rule set itself; both get the same [`Chain`]. What the client does with
//! one answer is in [`crate::client`]; here is what needs the whole way: whether it has been there before.

use crate::chain::{Chain, End, Hop};
use crate::client::{Answer, Asked, Client, Loops, Step, next};

/// Where a walk ends for a client that has no limit of its own.
const CEILING: usize = 100;

/// A walk that waits for an answer.
///
/// ```
/// use byway_core::chain::End;
/// use byway_core::client::{Answer, Asked, FETCH};
/// use byway_core::follow::{Follow, Progress};
///
/// let walk = Follow::new(&FETCH, Asked::new("POST", "https://a.test/old".parse().unwrap()));
/// let Progress::Next(walk) = walk.answer(Answer::redirect(307, "/new")) else { panic!("307 is followed") };
/// assert_eq!(walk.request().url.path(), "/new");
/// let Progress::Done(chain) = walk.answer(Answer::new(201)) else { panic!("201 is no redirect") };
/// assert_eq!(chain.end, End::Rested { status: 201 });
/// ```
#[derive(Clone, Debug)]
pub struct Follow {
    client: &'static Client,
    asked: Asked,
    hops: Vec<Hop>,
}

/// How the walk stands after an answer.
#[derive(Debug)]
#[allow(clippy::large_enum_variant)] // made once per hop and matched at once: a box would only add an allocation
pub enum Progress {
    /// There is another request.
    Next(Follow),
    /// It is over.
    Done(Chain),
}

impl Follow {
    /// A walk of this client, from this request.
    pub fn new(client: &'static Client, asked: Asked) -> Follow {
        Follow { client, asked, hops: Vec::new() }
    }

    /// The request to make now.
    pub fn request(&self) -> &Asked {
        &self.asked
    }

    /// The hops so far.
    pub fn hops(&self) -> &[Hop] {
        &self.hops
    }

    /// Takes the answer to [`Follow::request`].
    ///
    /// A request that was asked before ends the walk, though the client would go on to its limit: the same question gets the
    /// same answer, and a POST asked twenty times acts twenty times.
    pub fn answer(mut self, answer: Answer) -> Progress {
        let step = next(self.client, &self.asked, &answer);
        match step {
            Step::Stop(end) => {
                self.hops.push(Hop { asked: self.asked, answer });
                Progress::Done(Chain { client: self.client, hops: self.hops, unanswered: None, end })
            }
            Step::Request(asked) => {
                let hop = Hop { asked: std::mem::replace(&mut self.asked, asked), answer };
                self.hops.push(hop);
                self.unless_back()
            }
        }
    }

    /// Ends the walk with the request unanswered: the network failed, or it is one that should not be made.
    ///
    /// ```
    /// use byway_core::client::{Asked, FETCH};
    /// use byway_core::follow::Follow;
    /// let walk = Follow::new(&FETCH, Asked::new("GET", "https://a.test/".parse().unwrap()));
    /// let chain = walk.stop("connection refused");
    /// assert_eq!(chain.end.to_string(), "stopped: connection refused");
    /// ```
    pub fn stop(self, why: impl Into<String>) -> Chain {
        self.end(End::Stopped(why.into()))
    }

    fn unless_back(self) -> Progress {
        match self.first_of_loop() {
            Some(first) => Progress::Done(self.end(End::Loop { first })),
            None if self.hops.len() >= CEILING => Progress::Done(self.stop(format!("{CEILING} redirects and no end"))),
            None => Progress::Next(self),
        }
    }

    /// The hop that the request comes back to.
    fn first_of_loop(&self) -> Option<usize> {
        self.hops.iter().position(|hop| hop.asked.asks_again(&self.asked)).or_else(|| self.url_again())
    }

    /// The same where the client itself counts URLs.
    fn url_again(&self) -> Option<usize> {
        let Loops::UrlAgain { allowed } = self.client.loops else {
            return None;
        };
        let mut before = (0..self.hops.len()).filter(|at| self.hops[*at].asked.url == self.asked.url);
        let first = before.next()?;
        (before.count() >= allowed).then_some(first)
    }

    fn end(self, end: End) -> Chain {
        Chain { client: self.client, hops: self.hops, unanswered: Some(self.asked), end }
    }
}

/// Walks to the end, with a function for the network.
///
/// ```
/// use byway_core::chain::End;
/// use byway_core::client::{Answer, Asked, FETCH};
/// use byway_core::follow::to_rest;
/// let chain = to_rest(&FETCH, Asked::new("GET", "https://a.test/".parse().unwrap()), |_| Answer::redirect(307, "/"));
/// assert_eq!(chain.end, End::Loop { first: 0 });
/// ```
pub fn to_rest(client: &'static Client, asked: Asked, mut network: impl FnMut(&Asked) -> Answer) -> Chain {
    let mut walk = Follow::new(client, asked);
    loop {
        let answer = network(walk.request());
        match walk.answer(answer) {
            Progress::Next(on) => walk = on,
            Progress::Done(chain) => return chain,
        }
    }
}
