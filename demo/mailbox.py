"""A mailbox: a queue that is subscribed to the stack's topic, in place of a person's e-mail address."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass

from demo.commands import Operator
from demo.timeline import StepTimeout

SUBSCRIBER = "on-call"


@dataclass(frozen=True)
class Mail:
    subject: str
    text: str

    def beginning(self) -> list[str]:
        """The first section of a mail: what happened."""
        return self.text.split("\n\n")[0].splitlines()


class Mailbox:
    def __init__(self, pair: Operator) -> None:
        self.pair = pair
        self._mails: list[Mail] = []
        self._queue = pair.client("sqs").create_queue(QueueName=SUBSCRIBER)["QueueUrl"]
        arn = pair.client("sqs").get_queue_attributes(QueueUrl=self._queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        pair.client("sns").subscribe(TopicArn=pair.outputs["NotificationTopicArn"], Protocol="sqs", Endpoint=arn)

    def mails(self) -> list[Mail]:
        """All mails so far, except those of the stack's own alarms, which CloudWatch writes."""
        while messages := self.pair.client("sqs").receive_message(QueueUrl=self._queue, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                body = json.loads(message["Body"])
                if (body.get("Subject") or "").startswith(f"[{self.pair.name}]"):
                    self._mails.append(Mail(body["Subject"], body["Message"]))
                self.pair.client("sqs").delete_message(QueueUrl=self._queue, ReceiptHandle=message["ReceiptHandle"])
        return self._mails

    def wait_for(self, part: str, seconds: float = 60) -> Mail:
        """The first mail whose subject contains this text."""
        deadline = time.monotonic() + seconds
        while True:
            for mail in self.mails():
                if part in mail.subject:
                    return mail
            if time.monotonic() > deadline:
                subjects = ", ".join(mail.subject for mail in self._mails) or "none"
                raise StepTimeout(f"a mail about {part}: not within {seconds:.0f} s; there are: {subjects}")
            time.sleep(0.5)
