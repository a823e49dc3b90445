"""Configuration of the web server of Airflow 2: everybody is an administrator, without a password."""

AUTH_ROLE_PUBLIC = "Admin"
