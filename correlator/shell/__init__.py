"""The only home of Faust, Kafka, HTTP, Prometheus, files and clocks."""
