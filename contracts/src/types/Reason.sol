// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @notice Why an order is refused, a candidate or an item of a batch passed over, or a search ended.
enum Reason {
    None,
    MalformedRequest,
    NotYourTrader,
    PartySuspended,
    GateClosed,
    PriceOutOfBounds,
    EnergyTooSmall,
    EnergyTypesInvalid,
    QueueFull,
    SameUser,
    BeyondQuota,
    DepositTooSmall,
    CandidateLimit,
    NoTransferCapacity,
    NotYourOrder,
    NotYourDeal,
    WrongState,
    ConfirmedAlready,
    LetDown,
    OthersFirst
}
