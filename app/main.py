"""`uvicorn app.main:create_app --factory`; the application is in `app.api.app`."""

from app.api.app import create_app

__all__ = ["create_app"]
