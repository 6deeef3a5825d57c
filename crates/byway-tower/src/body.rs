//! The body of an answer: that of the service inside, or a small page that throws the request's body away before it ends.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

pin_project! {
    /// The body of an answer of [`crate::Redirects`].
    #[project = Parts]
    pub struct AnswerBody<R, B> {
        #[pin]
        kind: Kind<R, B>,
    }
}

pin_project! {
    #[project = KindParts]
    enum Kind<R, B> {
        /// What the service inside answered.
        Inside { #[pin] body: R },
        /// A page, whole.
        Page { page: Option<Bytes> },
        /// A page, and then nothing until the request's body has been read or the limit is reached.
        Discarding { page: Option<Bytes>, #[pin] request: B, left: u64 },
    }
}

impl<R, B> AnswerBody<R, B> {
    pub(crate) fn inside(body: R) -> AnswerBody<R, B> {
        AnswerBody { kind: Kind::Inside { body } }
    }

    pub(crate) fn page(page: Bytes) -> AnswerBody<R, B> {
        AnswerBody { kind: Kind::Page { page: Some(page).filter(|page| !page.is_empty()) } }
    }

    pub(crate) fn discarding(page: Bytes, request: B, limit: u64) -> AnswerBody<R, B> {
        AnswerBody { kind: Kind::Discarding { page: Some(page), request, left: limit } }
    }
}

impl<R: Body<Data = Bytes>, B: Body> Body for AnswerBody<R, B> {
    type Data = Bytes;
    type Error = R::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, R::Error>>> {
        match self.project().kind.project() {
            KindParts::Inside { body } => body.poll_frame(cx),
            KindParts::Page { page } => Poll::Ready(page.take().map(|page| Ok(Frame::data(page)))),
            KindParts::Discarding { page, request, left } => match page.take() {
                // The page leaves first: the answer must not wait for the body.
                Some(page) => Poll::Ready(Some(Ok(Frame::data(page)))),
                None => discard(request, left, cx).map(|()| None),
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Inside { body } => body.is_end_stream(),
            Kind::Page { page } => page.is_none(),
            Kind::Discarding { .. } => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Inside { body } => body.size_hint(),
            Kind::Page { page } => SizeHint::with_exact(page.as_ref().map_or(0, |page| page.len() as u64)),
            // No length: it is what makes the server send chunks.
            Kind::Discarding { .. } => SizeHint::default(),
        }
    }
}

/// Reads the request's body to its end, or to the limit, or until it breaks: then there is nobody left to read for.
fn discard<B: Body>(mut request: Pin<&mut B>, left: &mut u64, cx: &mut Context<'_>) -> Poll<()> {
    while *left > 0 {
        match ready!(request.as_mut().poll_frame(cx)) {
            Some(Ok(frame)) => {
                let bytes = frame.data_ref().map_or(0, |data| data.remaining() as u64);
                *left = left.saturating_sub(bytes);
            }
            Some(Err(_)) | None => break,
        }
    }
    Poll::Ready(())
}
