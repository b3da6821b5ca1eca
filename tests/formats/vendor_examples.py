"""One message of each vendor's format, made up in the shape that its documentation gives."""

from __future__ import annotations

import json
from typing import Any

#: What SNS encloses, and a queue or function passes on.
CLOUDWATCH_ALARM: dict[str, Any] = {
    "AlarmName": "checkout-5xx-critical", "AlarmDescription": "Checkout answers with errors",
    "AWSAccountId": "123456789012",
    "AlarmArn": "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:checkout-5xx-critical", "NewStateValue": "ALARM",
    "NewStateReason": "Threshold Crossed", "StateChangeTime": "2026-11-23T03:40:00.093+0000", "Region": "EU (Ireland)",
    "OldStateValue": "OK",
    "Trigger": {"MetricName": "HTTPCode_Target_5XX_Count", "Namespace": "AWS/ApplicationELB", "Threshold": 5.0,
                "Dimensions": [{"name": "ServiceName", "value": "checkout"},
                               {"name": "LoadBalancer", "value": "app/web/50dc6c495c0c9188"}]},
}  # fmt: skip

VENDORS: dict[str, Any] = {
    "sns": {
        "Type": "Notification", "MessageId": "e288882d-4281", "TopicArn": "arn:aws:sns:eu-west-1:123456789012:alarms",
        "Subject": "ALARM", "Message": json.dumps(CLOUDWATCH_ALARM), "Timestamp": "2026-11-23T03:40:00.134Z",
    },
    "cloudwatch": CLOUDWATCH_ALARM,
}  # fmt: skip
