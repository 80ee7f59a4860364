//! An answer is over once, and stays over.

use super::*;
use crate::error::ProtocolFault;

#[tokio::test]
async fn the_end_is_told_again() {
    let mut answer = scripted(vec![Ok(usage())]);
    assert_eq!(answer.next().await, Some(Ok(usage())));
    assert_eq!(answer.next().await, None);
    assert_eq!(answer.next().await, None);
}

#[tokio::test]
async fn after_an_error_there_is_no_proof_of_an_end() {
    let fault = UpstreamError::from(ProtocolFault::BadJson);
    let mut answer = scripted(vec![Err(fault.clone()), Ok(usage())]);
    assert_eq!(answer.next().await, Some(Err(fault)));
    assert_eq!(answer.next().await, Some(Err(Failure::Closed.into())));
}

#[tokio::test]
async fn remarks_outlive_the_source() {
    let mut answer = scripted(Vec::new());
    assert_eq!(answer.next().await, None);
    assert_eq!((answer.stripped(), answer.remarks().attempts), (7, 1));
}

struct Scripted(Vec<Result<Event, UpstreamError>>);

impl EventSource for Scripted {
    fn poll_next(&mut self, _: &mut Context<'_>) -> Poll<Option<Result<Event, UpstreamError>>> {
        Poll::Ready((!self.0.is_empty()).then(|| self.0.remove(0)))
    }

    fn remarks(&self) -> Remarks {
        Remarks {
            stripped: 7,
            attempts: 1,
            ..Remarks::default()
        }
    }
}

fn scripted(events: Vec<Result<Event, UpstreamError>>) -> Answer {
    Answer::new(None, Box::new(Scripted(events)))
}

fn usage() -> Event {
    Event::Usage(Usage {
        input: 1,
        output: 1,
        estimated: false,
    })
}
