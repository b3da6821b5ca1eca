"""All formats, in the order in which they are tried: the first that recognises a document reads it.

What only one sender writes stands before what many look like; the canonical form is last. How to add one:
`formats.format`.
"""

from __future__ import annotations

from correlator.formats import (
    alertmanager,
    alertmanager_events,
    azure,
    canonical,
    checkmk,
    cloudevents,
    cloudwatch,
    datadog,
    gcp,
    grafana_legacy,
    graylog,
    icinga2,
    keep,
    kibana,
    nagios,
    newrelic,
    opsgenie,
    otlp,
    pagerduty,
    pingdom,
    prometheus,
    riemann,
    sensu,
    sentry,
    sns,
    vmware,
    zabbix,
)
from correlator.formats.format import Format

FORMATS: tuple[Format, ...] = (
    cloudevents.FORMAT,
    alertmanager.GRAFANA,
    alertmanager.FORMAT,
    alertmanager_events.FORMAT,
    pagerduty.FORMAT,
    pagerduty.CHANGE,
    grafana_legacy.FORMAT,
    keep.FORMAT,
    # Little but `labels` tells an alert of Prometheus from others.
    prometheus.FORMAT,
    # Each of one vendor, told by words that no other uses; here, so that bulk is recognised first.
    sns.FORMAT,
    cloudwatch.FORMAT,
    gcp.FORMAT,
    azure.FORMAT,
    datadog.FORMAT,
    newrelic.FORMAT,
    sentry.FORMAT,
    zabbix.FORMAT,
    icinga2.FORMAT,
    nagios.FORMAT,
    checkmk.FORMAT,
    sensu.FORMAT,
    kibana.FORMAT,
    opsgenie.FORMAT,
    otlp.FORMAT,
    pingdom.FORMAT,
    graylog.FORMAT,
    riemann.FORMAT,
    vmware.FORMAT,
    canonical.FORMAT,
)
