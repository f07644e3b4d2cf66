#!/usr/bin/env bash
exec "${SLIPWAY:-.build/release/slipway}" optional on --env "${ENV:-dev}" "$@"
