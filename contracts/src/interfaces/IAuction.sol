// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {AuctionOrder} from "../types/AuctionOrder.sol";
import {IAuctionLedger} from "./IAuctionLedger.sol";

/// @notice Where a session is.
enum SessionState {
    Open,
    Cleared,
    Voided
}

/// @notice Which of several prices with the same volume is the one. `Middle`: half a tick goes up.
enum TieRule {
    Middle,
    Lowest,
    Highest
}

/// @notice Who is served at the price itself, where one side has more. `ProRata`: largest remainder, of equal ones the
/// earlier; `ByTime`: the earlier ones wholly.
enum Rationing {
    ProRata,
    ByTime
}

/// @notice Why a clearing is refused: the same reasons, by the same numbers, as `gridbourse.market.auction_check.Fault`.
enum Fault {
    None,
    OrdersMissing,
    NotSorted,
    MoreThanOrdered,
    AskAbovePriceAccepted,
    AskBelowPriceRejected,
    BidBelowPriceAccepted,
    BidAbovePriceRejected,
    WronglyRationed,
    MarginMisstated,
    VolumesDiffer,
    MoreCanBeTraded,
    PriceAgainstTieRule
}

/// @notice What somebody wants to sell or buy in a delivery period.
/// @param recordHash Hash of the user's own signed record.
struct NewOrder {
    uint24 period;
    uint32 trader;
    bool sells;
    int24 priceTicks;
    uint40 energyWh;
    bytes32 recordHash;
}

/// @notice What is said of a side's orders at the price: their energy, and what of it is accepted.
struct Margin {
    uint64 energyWh;
    uint64 acceptedWh;
}

/// @notice A side of a clearing: every order of the session's side, best price first and equal ones by arrival.
/// @param entries For each eight bytes, `turn (24 bits) | accepted Wh (40)`.
struct ClearedSide {
    Margin margin;
    bytes entries;
}

/// @notice A session as it stands; price and volume once it is cleared.
struct Session {
    SessionState state;
    int24 priceTicks;
    uint64 volumeWh;
}

/// @title Call auctions of delivery periods
/// @notice Orders are collected until the gate. Clearing runs off the chain; anybody may submit it, and it is checked in
/// one pass over the sorted orders: for given rules one clearing is right, every other is refused with the reason. Between
/// gate and result nothing changes: no order enters or leaves, and what orders hold stays held. If no right clearing comes
/// in time, anybody may void the session, and all orders get back what they held.
interface IAuction {
    /// @notice An order was taken; `turn` counts the arrivals of its period and side.
    event OrderPlaced(
        uint24 indexed period,
        uint32 indexed trader,
        bool sells,
        uint24 turn,
        int24 priceTicks,
        uint40 energyWh,
        bytes32 recordHash
    );
    /// @notice An order was withdrawn before the gate.
    event OrderCancelled(uint24 indexed period, bool sells, uint24 turn);
    /// @notice A session was cleared; `NO_PRICE` if nothing is traded.
    event SessionCleared(uint24 indexed period, int24 priceTicks, uint64 volumeWh, address submitter);
    /// @notice The orders of a cleared side, with what each was served at the session's price, as in
    /// `ClearedSide`.
    event OrdersFilled(uint24 indexed period, bool sells, bytes entries);
    /// @notice A session without a clearing was given up.
    event SessionVoided(uint24 indexed period);
    /// @notice An order that was not served got back what it held.
    event OrderReleased(uint24 indexed period, bool sells, uint24 turn);

    /// @notice After its gate no order enters or leaves a session.
    error GateClosed(uint24 period);
    /// @notice A session is cleared or voided only after its gate.
    error GateOpen(uint24 period);
    /// @notice A session's result is there already, or not yet.
    error WrongState(uint24 period, SessionState state);
    /// @notice A price is within 65535 ticks of zero.
    error PriceOutOfBounds(int24 priceTicks);
    /// @notice An order has some energy.
    error EnergyZero();
    /// @notice A side of a session takes `MAX_ORDERS` orders, so that its clearing fits into a block.
    error SideFull(uint24 period, bool sells);
    /// @notice Only who may trade for an order's trader withdraws it.
    error NotYourOrder(address caller, uint24 turn);
    /// @notice Served orders, and those that got everything back, have nothing left to release.
    error NothingToRelease(uint24 turn);
    /// @notice There is still time for a clearing.
    error NotOverdue(uint24 period);
    /// @notice A clearing is wrong.
    error WrongClearing(Fault fault);

    /// @notice Place orders, of one period or of a whole day; all or none.
    function placeOrders(NewOrder[] calldata orders) external;

    /// @notice Withdraw an order before its gate.
    function cancelOrder(uint24 period, bool sells, uint24 turn) external;

    /// @notice Submit a session's clearing; anybody may.
    /// @param priceTicks The price; `NO_PRICE` if nothing is traded.
    function submitClearing(uint24 period, int24 priceTicks, ClearedSide calldata asks, ClearedSide calldata bids)
        external;

    /// @notice Give up a session that nobody has cleared in time; anybody may.
    function voidSession(uint24 period) external;

    /// @notice Give back what orders hold that were not served; anybody may.
    function releaseOrders(uint24 period, bool sells, uint24[] calldata turns) external;

    function session(uint24 period) external view returns (Session memory);
    function order(uint24 period, bool sells, uint24 turn) external view returns (AuctionOrder);
    function orderCount(uint24 period, bool sells) external view returns (uint256);
    /// @notice Seconds since the epoch.
    function gateClosesAt(uint24 period) external view returns (uint256);
    function ledger() external view returns (IAuctionLedger);
}
