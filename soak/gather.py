"""Reads the stores of a pair on the local AWS, once all is over."""

from __future__ import annotations

import json
import time
from typing import Any

from local_aws.stack import FUNCTIONS
from soak.stores import Event, Invocation, Line, Message, Stores, Written, epoch, milliseconds
from support.pair import Pair

# The longest time-out of the three functions, and a little.
LONGEST_INVOCATION = 80.0


class Mailbox:
    """A queue that is subscribed to the pair's topic."""

    def __init__(self, pair: Pair) -> None:
        self.pair = pair
        self.messages: list[Message] = []
        outputs = pair.client("cloudformation").describe_stacks(StackName=pair.name)["Stacks"][0]["Outputs"]
        topic = next(output["OutputValue"] for output in outputs if output["OutputKey"] == "NotificationTopicArn")
        self._queue = pair.client("sqs").create_queue(QueueName=f"{pair.name}-mailbox")["QueueUrl"]
        pair.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=f"arn:aws:sqs:us-east-1:000000000000:{pair.name}-mailbox")

    def read(self) -> list[Message]:
        """The change-listener's messages so far. Those of the stack's alarms have no pair in front."""
        for body in drained(self.pair, self._queue):
            told = json.loads(body)
            if (told.get("Subject") or "").startswith("["):
                self.messages.append(Message(told["Subject"], told["Message"], epoch(told["Timestamp"])))
        return self.messages


def drained(pair: Pair, queue: str) -> list[str]:
    found = []
    sqs = pair.client("sqs")
    while messages := sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", []):
        for message in messages:
            found.append(message["Body"])
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    return found


def gather(pair: Pair, mailbox: Mailbox, stores: Stores) -> None:
    """Completes the stores with what the pair has left."""
    timeline = _ended(pair)
    stores.journal = journal(timeline, pair.root)
    stores.kept = kept(pair)
    stores.events = audit_log(pair)
    stores.messages = mailbox.read()
    stores.dead_letters = drained(pair, pair.client("sqs").get_queue_url(QueueName=f"{pair.name}-dead-letters")["QueueUrl"])
    stores.log = [Line(function, event["message"], event["timestamp"] / 1000) for function in FUNCTIONS
                  for event in log_events(pair, f"/aws/lambda/{pair.function(function)}")]
    stores.invocations = [Invocation(entry["detail"]["function"].removeprefix(f"{pair.name}-"), entry["detail"]["status"], entry["at"],
                                     entry["detail"].get("pid"))
                          for entry in timeline if entry["what"] == "invoke" and entry["detail"]["function"].startswith(f"{pair.name}-")]
    stores.kills = sum(1 for entry in timeline if entry["what"] == "fault" and entry["detail"].get("killed"))
    stores.ended_at = time.time()


def _ended(pair: Pair) -> list[dict[str, Any]]:
    """The timeline, once every invocation has ended; a function that never ends is for the invariants to judge."""
    deadline = time.monotonic() + LONGEST_INVOCATION
    while True:
        timeline = pair.aws.timeline()
        running = [entry for entry in timeline if entry["what"] == "invoke" and entry["detail"]["status"] == "running"]
        if not running or time.monotonic() > deadline:
            return timeline
        time.sleep(1)


def journal(timeline: list[dict[str, Any]], root: str) -> list[Written]:
    found = []
    for entry in timeline:
        detail = entry["detail"]
        if entry["what"] == "parameter" and detail["name"].startswith(f"{root}/") and detail["operation"] in ("Create", "Update", "Delete"):
            found.append(Written(entry["at"], detail["name"], detail["operation"], detail["version"], detail["value"] or "",
                                 detail["description"] or "", milliseconds(detail["modified"]), detail["by"]))
    return found


def kept(pair: Pair) -> dict[str, list[Written]]:
    ssm = pair.client("ssm")
    pages = ssm.get_paginator("get_parameters_by_path").paginate(Path=pair.root, Recursive=True)
    names = [entry["Name"] for page in pages for entry in page["Parameters"]]
    return {name: history_of(ssm, name) for name in names}


def history_of(ssm: Any, name: str, floor: bool = False) -> list[Written]:
    """The versions that are kept. Parameter Store's dates have milliseconds; moto's have more, and the product cuts them off."""
    def modified(at: float) -> int:
        return int(at * 1000) if floor else milliseconds(at)

    pages = ssm.get_paginator("get_parameter_history").paginate(Name=name)
    return [Written(entry["LastModifiedDate"].timestamp(), name, "Kept", entry["Version"], entry["Value"], entry.get("Description", ""),
                    modified(entry["LastModifiedDate"].timestamp()), entry.get("LastModifiedUser", ""))
            for page in pages for entry in page["Parameters"]]


def log_events(pair: Pair, group: str) -> list[dict[str, Any]]:
    pages = pair.client("logs").get_paginator("filter_log_events").paginate(logGroupName=group)
    return [event for page in pages for event in page["events"]]


def audit_log(pair: Pair) -> list[Event]:
    found = []
    for event in log_events(pair, f"/aws/events/{pair.name}-audit"):
        told = json.loads(event["message"])
        found.append(Event(told["detail-type"], told["detail"]["id"], told["detail"], event["timestamp"] / 1000))
    return found
