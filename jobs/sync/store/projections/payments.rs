//! The tables `payment_methods`, `charges`, `refunds` and `checkout_sessions`.

use super::super::super::model::{Charge, CheckoutSession, PaymentMethod, Refund};
use crate::{
    args,
    kernel::db::{Result, Sql, Tx},
};

const PUT_METHOD: Sql = Sql::both(
    "INSERT INTO payment_methods (organization_id, id, customer_id, type, brand, last4, exp_month, exp_year, deleted,
        created_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, FALSE, $9)
     ON CONFLICT (organization_id, id) DO UPDATE SET customer_id = excluded.customer_id, type = excluded.type,
        brand = excluded.brand, last4 = excluded.last4, exp_month = excluded.exp_month, exp_year = excluded.exp_year,
        deleted = FALSE, created_at = excluded.created_at",
);
/// The invoice is what the charge says, else what a payment of an invoice says about it. The least of a column as it is
/// would be looked for in the index of invoices, one after the other.
const PUT_CHARGE: Sql = Sql::both(
    "INSERT INTO charges (organization_id, id, customer_id, payment_intent_id, invoice_id, payment_method_id, status,
        currency, amount, amount_captured, amount_refunded, paid, refunded, disputed, failure_code, deleted,
        created_at)
     VALUES ($1, $2, $3, $4, coalesce($5,
            (SELECT min(p.invoice_id || '') FROM invoice_payments AS p
             WHERE p.organization_id = $1 AND p.payment_intent_id = $4),
            (SELECT min(p.invoice_id || '') FROM invoice_payments AS p
             WHERE p.organization_id = $1 AND p.charge_id = $2)),
        $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, FALSE, $16)
     ON CONFLICT (organization_id, id) DO UPDATE SET customer_id = excluded.customer_id,
        payment_intent_id = excluded.payment_intent_id, invoice_id = excluded.invoice_id,
        payment_method_id = excluded.payment_method_id, status = excluded.status, currency = excluded.currency,
        amount = excluded.amount, amount_captured = excluded.amount_captured,
        amount_refunded = excluded.amount_refunded, paid = excluded.paid, refunded = excluded.refunded,
        disputed = excluded.disputed, failure_code = excluded.failure_code, deleted = FALSE,
        created_at = excluded.created_at",
);
const PUT_REFUND: Sql = Sql::both(
    "INSERT INTO refunds (organization_id, id, charge_id, payment_intent_id, status, reason, currency, amount,
        deleted, created_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, FALSE, $9)
     ON CONFLICT (organization_id, id) DO UPDATE SET charge_id = excluded.charge_id,
        payment_intent_id = excluded.payment_intent_id, status = excluded.status, reason = excluded.reason,
        currency = excluded.currency, amount = excluded.amount, deleted = FALSE, created_at = excluded.created_at",
);
const PUT_SESSION: Sql = Sql::both(
    "INSERT INTO checkout_sessions (organization_id, id, customer_id, mode, status, payment_status, subscription_id,
        invoice_id, payment_intent_id, client_reference_id, currency, amount_total, expires_at, deleted, created_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, FALSE, $14)
     ON CONFLICT (organization_id, id) DO UPDATE SET customer_id = excluded.customer_id, mode = excluded.mode,
        status = excluded.status, payment_status = excluded.payment_status,
        subscription_id = excluded.subscription_id, invoice_id = excluded.invoice_id,
        payment_intent_id = excluded.payment_intent_id, client_reference_id = excluded.client_reference_id,
        currency = excluded.currency, amount_total = excluded.amount_total, expires_at = excluded.expires_at,
        deleted = FALSE, created_at = excluded.created_at",
);

/// Writes payment methods.
pub async fn put_payment_methods(tx: &mut Tx, organization: &str, all: &[PaymentMethod]) -> Result<()> {
    let rows = all.iter().map(|method| {
        args![
            organization,
            &method.id,
            &method.customer_id,
            &method.kind,
            &method.brand,
            &method.last4,
            method.exp_month,
            method.exp_year,
            method.created_at
        ]
        .to_vec()
    });
    tx.insert(PUT_METHOD, &rows.collect::<Vec<_>>()).await?;
    Ok(())
}

/// Writes charges.
pub async fn put_charges(tx: &mut Tx, organization: &str, all: &[Charge]) -> Result<()> {
    let rows = all.iter().map(|charge| {
        args![
            organization,
            &charge.id,
            &charge.customer_id,
            &charge.payment_intent_id,
            &charge.invoice_id,
            &charge.payment_method_id,
            &charge.status,
            &charge.currency,
            charge.amount,
            charge.amount_captured,
            charge.amount_refunded,
            charge.paid,
            charge.refunded,
            charge.disputed,
            &charge.failure_code,
            charge.created_at
        ]
        .to_vec()
    });
    tx.insert(PUT_CHARGE, &rows.collect::<Vec<_>>()).await?;
    Ok(())
}

/// Writes refunds.
pub async fn put_refunds(tx: &mut Tx, organization: &str, all: &[Refund]) -> Result<()> {
    let rows = all.iter().map(|refund| {
        args![
            organization,
            &refund.id,
            &refund.charge_id,
            &refund.payment_intent_id,
            &refund.status,
            &refund.reason,
            &refund.currency,
            refund.amount,
            refund.created_at
        ]
        .to_vec()
    });
    tx.insert(PUT_REFUND, &rows.collect::<Vec<_>>()).await?;
    Ok(())
}

/// Writes checkout sessions.
pub async fn put_checkout_sessions(tx: &mut Tx, organization: &str, all: &[CheckoutSession]) -> Result<()> {
    let rows = all.iter().map(|session| {
        args![
            organization,
            &session.id,
            &session.customer_id,
            &session.mode,
            &session.status,
            &session.payment_status,
            &session.subscription_id,
            &session.invoice_id,
            &session.payment_intent_id,
            &session.client_reference_id,
            &session.currency,
            session.amount_total,
            session.expires_at,
            session.created_at
        ]
        .to_vec()
    });
    tx.insert(PUT_SESSION, &rows.collect::<Vec<_>>()).await?;
    Ok(())
}
