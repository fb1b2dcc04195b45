"""AWS::S3::Bucket and AWS::S3::BucketPolicy in a stack, where ministack drops properties and deletes what is not empty.

A bucket with objects, or with old versions of them, is not deleted: the stack's deletion fails. Encryption, lifecycle, ownership and
suspended versioning are kept and shown by S3; lifecycles delete nothing here.
"""

from __future__ import annotations

from typing import Any
from xml.sax.saxutils import escape

from ministack.services import s3
from ministack.services.cloudformation import provisioners

from local_aws import patches

Made = tuple[str, dict[str, Any]]

_DAYS = {"ExpirationInDays": ("Expiration", "Days"), "ExpiredObjectDeleteMarker": ("Expiration", "ExpiredObjectDeleteMarker"),
         "NoncurrentVersionExpirationInDays": ("NoncurrentVersionExpiration", "NoncurrentDays")}


def _xml(value: Any) -> str:
    """A property in the form of the API: keys are elements, a list repeats its element."""
    if isinstance(value, dict):
        return "".join(f"<{key}>{_xml(one)}</{key}>" for key, inner in value.items() for one in (inner if isinstance(inner, list) else [inner]))
    return escape(str(value).lower() if isinstance(value, bool) else str(value))


def _encryption(props: dict[str, Any]) -> str:
    rules = [{"ApplyServerSideEncryptionByDefault": rule.get("ServerSideEncryptionByDefault", {}),
              **({"BucketKeyEnabled": rule["BucketKeyEnabled"]} if "BucketKeyEnabled" in rule else {})}
             for rule in props["BucketEncryption"]["ServerSideEncryptionConfiguration"]]
    return _xml({"ServerSideEncryptionConfiguration": {"Rule": rules}})


def _lifecycle(props: dict[str, Any]) -> str:
    rules: list[dict[str, Any]] = []
    for rule in props["LifecycleConfiguration"]["Rules"]:
        known = {"Id", "Status", "Prefix", "NoncurrentVersionExpiration", "AbortIncompleteMultipartUpload", *_DAYS}
        if unknown := set(rule) - known:
            raise ValueError(f"AWS::S3::Bucket: not imitated in a lifecycle rule: {', '.join(sorted(unknown))}")
        made: dict[str, Any] = {"ID": rule.get("Id", f"rule-{len(rules) + 1}"), "Filter": {"Prefix": rule.get("Prefix", "")},
                                "Status": rule["Status"]}
        for name, (element, part) in _DAYS.items():
            if name in rule:
                made.setdefault(element, {})[part] = rule[name]
        for name in ("NoncurrentVersionExpiration", "AbortIncompleteMultipartUpload"):
            if name in rule:
                made[name] = rule[name]
        rules.append(made)
    return _xml({"LifecycleConfiguration": {"Rule": rules}})


def _ownership(props: dict[str, Any]) -> str:
    return _xml({"OwnershipControls": {"Rule": props["OwnershipControls"]["Rules"]}})


_CONFIGURATIONS = (("BucketEncryption", _encryption, "_put_bucket_encryption", "_delete_bucket_encryption"),
                   ("LifecycleConfiguration", _lifecycle, "_put_bucket_lifecycle", "_delete_bucket_lifecycle"),
                   ("OwnershipControls", _ownership, "_put_bucket_ownership_controls", "_delete_bucket_ownership_controls"))


def _apply(name: str, props: dict[str, Any], old: dict[str, Any]) -> None:
    versioning = (props.get("VersioningConfiguration") or {}).get("Status") or ("Suspended" if old.get("VersioningConfiguration") else None)
    if versioning:
        s3._bucket_versioning[name] = versioning
    for prop, make, put, delete in _CONFIGURATIONS:
        if prop in props:
            status, _, body = getattr(s3, put)(name, make(props).encode())
            if status >= 400:
                raise ValueError(f"AWS::S3::Bucket {prop}: {body.decode(errors='replace')}")
        elif prop in old:
            getattr(s3, delete)(name)


def _created(original: Any) -> Any:
    def create(logical_id: str, props: dict[str, Any], stack_name: str) -> Made:
        made: Made = original(logical_id, props, stack_name)
        _apply(made[0], props, {})
        return made

    return create


def _updated(original: Any) -> Any:
    def update(physical_id: str, old: dict[str, Any], new: dict[str, Any], stack_name: str) -> Made:
        made: Made = original(physical_id, old, new, stack_name)
        _apply(made[0], new, old)
        return made

    return update


def _delete(physical_id: str, _props: dict[str, Any]) -> None:
    if physical_id not in s3._buckets:
        return
    if s3._buckets[physical_id]["objects"] or s3._bucket_has_versions(physical_id):
        versions = " You must delete all versions in the bucket." if s3._bucket_versioning.get(physical_id) else ""
        raise ValueError(f"The bucket you tried to delete is not empty.{versions} (Service: S3, Status Code: 409) "
                         "(HandlerErrorCode: GeneralServiceException)")
    status, _, body = s3._delete_bucket(physical_id)
    if status >= 400:
        raise ValueError(body.decode(errors="replace"))


def _policy(original: Any) -> Any:
    def create(logical_id: str, props: dict[str, Any], stack_name: str) -> Made:
        if props.get("Bucket") not in s3._buckets:
            raise ValueError(f"The specified bucket does not exist: {props.get('Bucket')} (HandlerErrorCode: NotFound)")
        made: Made = original(logical_id, props, stack_name)
        return made

    return create


def install() -> None:
    table = patches.original(provisioners, "_RESOURCE_HANDLERS")
    bucket, policy = table["AWS::S3::Bucket"], table["AWS::S3::BucketPolicy"]
    bucket["create"], bucket["update"], bucket["delete"] = _created(bucket["create"]), _updated(bucket["update"]), _delete
    policy["create"] = _policy(policy["create"])
    for name in ("_buckets", "_bucket_versioning", "_bucket_has_versions", "_delete_bucket", *(name for row in _CONFIGURATIONS for name in row[2:])):
        patches.original(s3, str(name))
