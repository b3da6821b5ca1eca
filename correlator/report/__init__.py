"""`correlator report`: what a period came to, per team and service; pure computation over what a replay wrote."""
