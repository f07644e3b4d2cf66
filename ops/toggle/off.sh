#!/usr/bin/env bash
exec "${SLIPWAY:-.build/release/slipway}" optional off --env "${ENV:-dev}" "$@"
