//! Reading a request body, within its limits; and reading the rest of one that nobody wants.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderValue, header};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};

use crate::Limits;
use crate::deadline::Deadline;
use crate::incoming::Incoming;
use crate::refusal::{BadRequest, Refusal};

/// Of a body that is refused, this much is read and thrown away, so that the client gets to read the refusal: a
/// connection closed with unread bytes is reset, and the answer lost with it.
const DISCARD_BYTES_MAX: usize = 16 << 20;

/// And for this long.
const DISCARD_TIME_MAX: Duration = Duration::from_secs(2);

/// The whole body.
pub(super) async fn read(
    incoming: &mut Incoming,
    limits: &Limits,
    deadline: Deadline,
) -> Result<Bytes, Refusal> {
    let bytes_max = limits.body_bytes_max;
    let headers = &incoming.head.headers;
    let plain = |e: &HeaderValue| e.is_empty() || e.as_bytes().eq_ignore_ascii_case(b"identity");
    // All of them: one that says `identity` does not excuse the next.
    if !headers.get_all(header::CONTENT_ENCODING).iter().all(plain) {
        return Err(Refusal::UnsupportedEncoding);
    }
    let declared = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|v| v.to_str().ok()?.parse::<usize>().ok());
    if declared.is_some_and(|bytes| bytes > bytes_max) {
        return Err(Refusal::TooLarge { bytes_max });
    }
    let deadline = deadline.sooner(limits.body_timeout);
    let mut body = Limited::new(&mut incoming.body, bytes_max);
    let mut read = BytesMut::with_capacity(declared.unwrap_or(0));
    while let Some(frame) = deadline
        .limit(body.frame())
        .await
        .map_err(|_| Refusal::SlowBody)?
    {
        match frame {
            Ok(frame) => frame
                .into_data()
                .into_iter()
                .for_each(|data| read.extend_from_slice(&data)),
            Err(e) if e.is::<LengthLimitError>() => return Err(Refusal::TooLarge { bytes_max }),
            Err(_) => return Err(Refusal::BrokenBody),
        }
    }
    if read.is_empty() {
        Err(BadRequest::empty().into())
    } else {
        Ok(read.freeze())
    }
}

/// Reads what is left of a refused body, within bounds of its own. A client that waits for `100 Continue` has sent
/// nothing yet, and shall not.
pub async fn discard(incoming: &mut Incoming) {
    if incoming.head.headers.contains_key(header::EXPECT) {
        return;
    }
    let mut body = Limited::new(&mut incoming.body, DISCARD_BYTES_MAX);
    let rest = async { while let Some(Ok(_)) = body.frame().await {} };
    // Whoever sends slower than this does not get to read the refusal.
    let _ = Deadline::after(DISCARD_TIME_MAX).limit(rest).await;
}
