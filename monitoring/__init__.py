"""What Prometheus and Grafana are told: rules and scrape configuration as files, dashboards as code."""
