//! The tables `invoices` and `invoice_payments`.

use super::super::super::model::{Invoice, InvoicePayment};
use crate::{
    args,
    kernel::db::{Result, Sql, Tx},
};

const PUT_INVOICE: Sql = Sql::both(
    "INSERT INTO invoices (organization_id, id, customer_id, subscription_id, number, status, collection_method,
        currency, billing_reason, subtotal, tax, tax_percent_bps, discount, total, amount_due, amount_paid,
        amount_remaining, attempt_count, due_date, period_start, period_end, paid_at, hosted_invoice_url, invoice_pdf,
        price_id, product_id, payment_method_id, payment_intent_id, charge_id, deleted, created_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23,
        $24, $25, $26, $27, $28, $29, FALSE, $30)
     ON CONFLICT (organization_id, id) DO UPDATE SET customer_id = excluded.customer_id,
        subscription_id = excluded.subscription_id, number = excluded.number, status = excluded.status,
        collection_method = excluded.collection_method, currency = excluded.currency,
        billing_reason = excluded.billing_reason, subtotal = excluded.subtotal, tax = excluded.tax,
        tax_percent_bps = excluded.tax_percent_bps, discount = excluded.discount, total = excluded.total,
        amount_due = excluded.amount_due, amount_paid = excluded.amount_paid,
        amount_remaining = excluded.amount_remaining, attempt_count = excluded.attempt_count,
        due_date = excluded.due_date, period_start = excluded.period_start, period_end = excluded.period_end,
        paid_at = excluded.paid_at, hosted_invoice_url = excluded.hosted_invoice_url,
        invoice_pdf = excluded.invoice_pdf, price_id = excluded.price_id, product_id = excluded.product_id,
        payment_method_id = excluded.payment_method_id, payment_intent_id = excluded.payment_intent_id,
        charge_id = excluded.charge_id, deleted = FALSE, created_at = excluded.created_at",
);
const PUT_PAYMENT: Sql = Sql::both(
    "INSERT INTO invoice_payments (organization_id, id, invoice_id, payment_intent_id, charge_id, status, currency,
        amount_requested, amount_paid, is_default, paid_at, deleted, created_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, FALSE, $12)
     ON CONFLICT (organization_id, id) DO UPDATE SET invoice_id = excluded.invoice_id,
        payment_intent_id = excluded.payment_intent_id, charge_id = excluded.charge_id, status = excluded.status,
        currency = excluded.currency, amount_requested = excluded.amount_requested,
        amount_paid = excluded.amount_paid, is_default = excluded.is_default, paid_at = excluded.paid_at,
        deleted = FALSE, created_at = excluded.created_at",
);
/// The charge of a payment learns its invoice, so that it is not taken for a purchase of its own.
const TELL_CHARGE: Sql = Sql::both(
    "UPDATE charges SET invoice_id = $2
     WHERE organization_id = $1 AND invoice_id IS NULL AND (payment_intent_id = $3 OR id = $4)",
);

/// Writes invoices.
pub async fn put_invoices(tx: &mut Tx, organization: &str, all: &[Invoice]) -> Result<()> {
    let rows = all.iter().map(|invoice| {
        args![
            organization,
            &invoice.id,
            &invoice.customer_id,
            &invoice.subscription_id,
            &invoice.number,
            &invoice.status,
            &invoice.collection_method,
            &invoice.currency,
            &invoice.billing_reason,
            invoice.subtotal,
            invoice.tax,
            invoice.tax_percent_bps,
            invoice.discount,
            invoice.total,
            invoice.amount_due,
            invoice.amount_paid,
            invoice.amount_remaining,
            invoice.attempt_count,
            invoice.due_date,
            invoice.period_start,
            invoice.period_end,
            invoice.paid_at,
            &invoice.hosted_invoice_url,
            &invoice.invoice_pdf,
            &invoice.price_id,
            &invoice.product_id,
            &invoice.payment_method_id,
            &invoice.payment_intent_id,
            &invoice.charge_id,
            invoice.created_at
        ]
        .to_vec()
    });
    tx.insert(PUT_INVOICE, &rows.collect::<Vec<_>>()).await?;
    Ok(())
}

/// Writes payments of invoices.
pub async fn put_invoice_payments(tx: &mut Tx, organization: &str, all: &[InvoicePayment]) -> Result<()> {
    let rows = all.iter().map(|payment| {
        args![
            organization,
            &payment.id,
            &payment.invoice_id,
            &payment.payment_intent_id,
            &payment.charge_id,
            &payment.status,
            &payment.currency,
            payment.amount_requested,
            payment.amount_paid,
            payment.is_default,
            payment.paid_at,
            payment.created_at
        ]
        .to_vec()
    });
    tx.insert(PUT_PAYMENT, &rows.collect::<Vec<_>>()).await?;
    for InvoicePayment { invoice_id, payment_intent_id, charge_id, .. } in all {
        tx.execute(TELL_CHARGE, args![organization, invoice_id, payment_intent_id, charge_id]).await?;
    }
    Ok(())
}
