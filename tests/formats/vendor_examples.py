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
    "gcp": {
        "version": "1.2", "incident": {
            "incident_id": "0.lj2va6zdkemq", "state": "open", "started_at": 1_795_405_200, "ended_at": None,
            "severity": "Error", "scoping_project_id": "shop", "policy_name": "latency", "condition_name": "p99 high",
            "condition": {"name": "projects/shop/alertPolicies/1/conditions/2", "displayName": "p99 high"},
            "policy_user_labels": {"team": "core"}, "resource_name": "checkout pod",
            "resource": {"type": "k8s_container", "labels": {"container_name": "checkout", "pod_name": "checkout-1"}},
            "metric": {"type": "custom", "labels": {"route": "/pay"}}, "summary": "p99 is 3 s",
        },
    },
    "azure": {
        "schemaId": "azureMonitorCommonAlertSchema", "data": {
            "essentials": {
                "alertId": "/subscriptions/s/providers/Microsoft.AlertsManagement/alerts/a",
                "alertRule": "High latency", "severity": "Sev1", "signalType": "Metric", "monitorCondition": "Fired",
                "monitoringService": "Platform",
                "alertTargetIDs": ["/subscriptions/s/resourcegroups/shop/providers/microsoft.web/sites/checkout"],
                "configurationItems": ["checkout"], "originAlertId": "3f2d_shop_microsoft.insights_-117781227",
                "firedDateTime": "2026-11-23T03:40:00.3713213Z", "description": "Checkout is slow",
            },
            "alertContext": {"properties": None, "condition": {"allOf": [
                {"metricName": "Http5xx", "dimensions": [{"name": "Instance", "value": "i-1"}]}]}},
            "customProperties": {"team": "core"},
        },
    },
    "datadog": {
        "alert_id": "1234", "aggreg_key": "9bd4ac", "alert_cycle_key": "77", "alert_transition": "Triggered",
        "alert_type": "error", "alert_priority": "P2", "alert_title": "[P2] [Triggered on {host:a}] Checkout is slow",
        "alert_scope": "host:a", "date": "1795405200000", "org_id": "9", "hostname": "a",
        "event_msg": "p99 is 3 s", "tags": "service:checkout,env:prod,monitor", "link": "https://app.datadoghq.com/1",
    },
    "newrelic": {
        "id": "c5faa7e6", "issueUrl": "https://radar-api.service.newrelic.com/accounts/7/issues/c5faa7e6?n=W",
        "title": "checkout query result is > 1.0", "priority": "HIGH", "impactedEntities": ["checkout"],
        "state": "ACTIVATED", "trigger": "STATE_CHANGE", "createdAt": 1_795_405_200_000, "updatedAt": 1_795_405_210_000,
        "alertPolicyNames": ["Golden"], "alertConditionNames": ["Slow"], "totalIncidents": 1,
    },
    "sentry": {
        "action": "critical", "actor": {"id": "sentry"}, "installation": {"uuid": "a8"}, "data": {
            "description_title": "Critical: Too many errors", "web_url": "https://sentry.io/1", "metric_alert": {
                "alert_rule": {"id": "7", "name": "Too many errors", "environment": "prod", "projects": ["checkout"]},
                "date_started": "2026-11-23T03:40:00.000000Z", "date_closed": None, "id": "4", "organization_id": "5",
                "projects": ["checkout"],
            },
        },
    },
    "zabbix": {
        "event_id": "10528", "event_value": "1", "event_update_status": "0", "event_nseverity": "4",
        "event_name": "Disk is full on db-1", "event_started_at": "1795405200", "event_ended_at": "",
        "event_tags": '[{"tag":"service","value":"db"},{"tag":"scope","value":"capacity"}]', "event_opdata": "97 %",
        "trigger_id": "14032", "host": "db-1", "host_group": "{HOST.GROUP}", "url": "https://zabbix.example",
    },
    "icinga2": {
        "type": "StateChange", "timestamp": 1_795_405_200.5, "host": "db-1", "service": "disk", "state": 2,
        "state_type": 1, "downtime_depth": 0, "acknowledgement": False,
        "check_result": {"state": 2, "output": "DISK CRITICAL", "vars_after": {"reachable": True, "state_type": 1}},
    },
    "nagios": {
        "source": "nagios", "notification_type": "PROBLEM", "host": "db-1", "host_state": "UP", "service": "disk",
        "state": "CRITICAL", "state_type": "HARD", "output": "DISK CRITICAL", "last_state_change": "1795405200",
    },
    "checkmk": {
        "NOTIFY_WHAT": "SERVICE", "NOTIFY_NOTIFICATIONTYPE": "PROBLEM", "NOTIFY_OMD_SITE": "prod",
        "NOTIFY_MICROTIME": "1795405203123456", "NOTIFY_HOSTNAME": "db-1", "NOTIFY_HOSTSTATE": "UP",
        "NOTIFY_HOSTOUTPUT": "OK - rta 0.028ms", "NOTIFY_SERVICEDESC": "Filesystem /",
        "NOTIFY_SERVICESTATE": "CRITICAL", "NOTIFY_SERVICEOUTPUT": "CRIT - 97 % used",
        "NOTIFY_LASTSERVICESTATECHANGE": "1795405200", "NOTIFY_HOSTLABEL_service": "db",
    },
    "sensu": {
        "timestamp": 1_795_405_200, "id": "3c3e68f6", "metadata": {"namespace": "default"},
        "check": {"metadata": {"name": "check_disk", "namespace": "default", "labels": {"service": "db"}}, "status": 2,
                  "output": "DISK CRITICAL\n", "interval": 60, "last_ok": 1_795_405_080, "state": "failing"},
        "entity": {"metadata": {"name": "db-1", "namespace": "default"}},
    },
    "kibana": {
        "kibana.alert.rule.name": "CPU usage", "kibana.alert.rule.uuid": "bfa42390", "kibana.alert.instance.id": "db-1",
        "kibana.alert.uuid": "15f1b46c", "kibana.alert.status": "active", "kibana.alert.reason": "CPU usage is 97 %",
        "kibana.alert.start": "2026-11-23T03:40:00.000Z", "@timestamp": "2026-11-23T03:40:20.000Z",
        "kibana.alert.severity": "high", "host.name": "db-1", "tags": ["team:core", "x"], "service.name": "db",
    },
    "opsgenie": {
        "action": "Create", "integrationName": "Webhook", "source": {"name": "web", "type": "API"}, "alert": {
            "alertId": "ec03dad6", "message": "Checkout is slow", "alias": "checkout/slow", "entity": "checkout",
            "tags": ["env:prod", "vip"], "createdAt": 1_795_405_200_288, "updatedAt": 1_795_405_210_288_000_110,
            "insertedAt": 1_795_405_200_288_000_110, "priority": "P2", "details": {"region": "eu"},
        },
    },
    "otlp": {
        "resourceLogs": [{
            "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "checkout"}},
                                        {"key": "k8s.pod.name", "value": {"stringValue": "checkout-1"}}]},
            "scopeLogs": [{"scope": {"name": "lib"}, "logRecords": [
                {"timeUnixNano": "1795405200300000000", "severityNumber": 17, "severityText": "Error",
                 "eventName": "payment.refused", "body": {"stringValue": "refused 17 times"},
                 "attributes": [{"key": "count", "value": {"intValue": "17"}},
                                {"key": "list", "value": {"arrayValue": {"values": []}}}]}]}],
        }],
    },
    "pingdom": {
        "check_id": 803318, "check_name": "Shop", "check_type": "HTTP", "current_state": "DOWN", "previous_state": "UP",
        "check_params": {"hostname": "shop.example", "full_url": "https://shop.example/"}, "tags": ["service:web"],
        "state_changed_timestamp": 1_795_405_200, "importance_level": "HIGH", "long_description": "HTTP Error 503",
    },
    "graylog": {
        "event_definition_id": "5e7a", "event_definition_title": "Many refusals", "backlog": [], "event": {
            "id": "01E", "event_definition_id": "5e7a", "message": "Many refusals: checkout", "key": "checkout",
            "timestamp": "2026-11-23T03:40:00.000Z", "priority": 3, "source": "graylog-1",
            "fields": {"service": "checkout"}, "group_by_fields": {"service": "checkout"}, "alert": True,
        },
    },
    "riemann": {
        "host": "db-1", "service": "disk /", "state": "critical", "description": "97 %", "metric": 0.97,
        "time": 1_795_405_200, "ttl": 60, "tags": ["service:db"],
    },
    "vmware": {
        "alertId": "a-1", "status": "ACTIVE", "criticality": "ALERT_CRITICALITY_LEVEL_IMMEDIATE", "resourceId": "r-1",
        "resourceName": "vm-1", "resourceKind": "VirtualMachine", "adapterKind": "VMWARE", "type": "ALERT_TYPE_PROBLEM",
        "subType": "ALERT_SUBTYPE_AVAILABILITY_PROBLEM", "startDate": 1_795_405_200_000, "cancelDate": 0,
        "updateDate": 1_795_405_200_000, "info": "does not answer",
    },
}  # fmt: skip
