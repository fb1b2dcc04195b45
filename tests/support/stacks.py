"""Stacks by change sets, as the command line deploys them."""

from __future__ import annotations

import time
import uuid
from typing import Any

from botocore.exceptions import ClientError

from support.clients import Clients
from support.waiting import PATIENCE, until


class Stack:
    def __init__(self, client: Clients, name: str, template: str) -> None:
        self.client, self.name, self.template = client, name, template

    @property
    def api(self) -> Any:
        return self.client("cloudformation")

    def described(self) -> dict[str, Any]:
        try:
            return self.api.describe_stacks(StackName=self.name)["Stacks"][0]
        except ClientError as error:
            if "does not exist" in str(error):
                return {"StackStatus": "absent"}
            raise

    def change_set(self, parameters: dict[str, str] | None = None, template: str | None = None, kind: str | None = None,
                   previous: tuple[str, ...] = (), **more: Any) -> dict[str, Any]:
        """Create one and return it when it is complete or failed."""
        kind = kind or ("CREATE" if self.described()["StackStatus"] in ("absent", "REVIEW_IN_PROGRESS") else "UPDATE")
        name = f"c{uuid.uuid4().hex[:12]}"
        self.api.create_change_set(
            StackName=self.name, ChangeSetName=name, ChangeSetType=kind, TemplateBody=template or self.template, Capabilities=["CAPABILITY_IAM"],
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in (parameters or {}).items()]
            + [{"ParameterKey": key, "UsePreviousValue": True} for key in previous], **more)
        return until("the change set is there", lambda: self._settled(name))

    def _settled(self, name: str) -> Any:
        found = self.api.describe_change_set(StackName=self.name, ChangeSetName=name)
        return found if found["Status"] in ("CREATE_COMPLETE", "FAILED") else None

    def execute(self, change_set: dict[str, Any], **more: Any) -> None:
        self.api.execute_change_set(StackName=self.name, ChangeSetName=change_set["ChangeSetName"], **more)

    def settled(self, timeout: float = PATIENCE) -> str:
        deadline = time.monotonic() + timeout
        while (status := self.described()["StackStatus"]).endswith("_IN_PROGRESS"):
            assert time.monotonic() < deadline, f"{self.name} is still {status}"
            time.sleep(0.05)
        return status

    def deploy(self, parameters: dict[str, str] | None = None, template: str | None = None, **more: Any) -> str:
        self.execute(self.change_set(parameters, template), **more)
        return self.settled()

    def delete(self, **more: Any) -> str:
        self.api.delete_stack(StackName=self.name, **more)
        return self.settled()

    def outputs(self) -> dict[str, str]:
        return {output["OutputKey"]: output["OutputValue"] for output in self.described().get("Outputs", [])}

    def events(self, resource: str | None = None) -> list[dict[str, Any]]:
        """Oldest first; of one resource, or of the stack itself by its name."""
        found = self.api.describe_stack_events(StackName=self.name)["StackEvents"]
        return [event for event in reversed(found) if resource in (None, event["LogicalResourceId"])]

    def statuses(self, resource: str) -> list[str]:
        return [event["ResourceStatus"] for event in self.events(resource)]

    def reasons(self) -> str:
        return "\n".join(f"{event['LogicalResourceId']}: {event['ResourceStatusReason']}" for event in self.events()
                         if event.get("ResourceStatusReason"))

    def resources(self) -> dict[str, str]:
        found = self.api.describe_stack_resources(StackName=self.name)["StackResources"]
        return {resource["LogicalResourceId"]: resource["PhysicalResourceId"] for resource in found}
